"""What chance alone would do to a difference: sign flips, and the bootstrap."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DRAWS_AT_ONCE = 2**21  # 16 MB of float64


def sign_flip_p(contributions: Floats, rng: np.random.Generator, resamples: int) -> float:
    """Two-sided p of a paired permutation test on a sum.

    If two systems do not differ, which of them got which score on a question is chance, so every
    question's difference might as well have had the other sign (Fisher's randomisation test, which
    Smucker, Allan and Carterette, CIKM 2007, recommend for retrieval).  p is the share of sign
    patterns whose sum is at least as far from 0 as the sum observed.

    Args:
        contributions: what each question adds to the statistic, float64 [questions].
        rng: where random signs come from.
        resamples: how many random patterns are drawn.  If there are no more patterns than that,
            each is looked at once and p is exact.

    Returns:
        More than 0: the observed pattern counts as one that was drawn, (b + 1) / (resamples + 1)
        (Phipson and Smyth 2010).
    """
    changed = contributions[contributions != 0]  # the sign of a tie does nothing
    total, size = float(changed.sum()), float(np.abs(changed).sum())
    least = abs(total) - 1e-9 * size  # sums of the same numbers differ in their last bits
    if 2 ** len(changed) <= resamples:
        patterns = np.arange(2 ** len(changed))[:, np.newaxis] >> np.arange(len(changed)) & 1
        return float(np.mean(np.abs(2 * patterns @ changed - total) >= least))
    extreme = 0
    for rows in _blocks(resamples, len(changed)):
        bits = np.frombuffer(rng.bytes(-(-rows * len(changed) // 8)), np.uint8)
        kept = np.unpackbits(bits, count=rows * len(changed)).reshape(rows, len(changed))
        # signs of +1 and -1 are twice the bits less one
        extreme += int(np.count_nonzero(np.abs(2 * (kept @ changed) - total) >= least))
    return (extreme + 1) / (resamples + 1)


def bootstrap_means(differences: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """Means of as many questions drawn with replacement, float64 [resamples]."""
    questions = len(differences)
    drawn = [
        differences[rng.integers(questions, size=(rows, questions), dtype=np.uint32)].mean(axis=1)
        for rows in _blocks(resamples, questions)
    ]
    return np.concatenate(drawn)


def _blocks(rows: int, width: int) -> Iterator[int]:
    """Split rows of random numbers so that a block of them fits into memory."""
    most = max(1, _DRAWS_AT_ONCE // width)
    for done in range(0, rows, most):
        yield min(most, rows - done)
