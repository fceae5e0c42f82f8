"""What chance alone would do to a difference: sign flips, and the bootstrap."""

from collections.abc import Iterator

import numpy as np

from offline.evaluate.clusters import Clusters, Floats

_DRAWS_AT_ONCE = 2**16  # half a MB of float64, which a cache holds; 16 MB took four times as long


def sign_flip_p(contributions: Floats, rng: np.random.Generator, resamples: int) -> float:
    """Two-sided p of a paired permutation test on a sum.

    If two systems do not differ, which of them got which scores on a unit is chance, so every
    unit's difference might as well have had the other sign (Fisher's randomisation test, which
    Smucker, Allan and Carterette, CIKM 2007, recommend for retrieval).  p is the share of sign
    patterns whose sum is at least as far from 0 as the sum observed.

    Args:
        contributions: what each unit adds to the statistic, float64 [units].
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


def bootstrap_means(clusters: Clusters, rng: np.random.Generator, resamples: int) -> Floats:
    """Means of as many units drawn with replacement, each with all its questions, float64 [resamples].

    A unit is drawn for all languages at once.  A language's mean is the sum of what was drawn by
    the number of questions drawn; the languages' means are averaged, without those of which a
    sample holds no question.
    """
    units = clusters.sums.shape[1]
    summed = np.concatenate([clusters.sums, clusters.counts]).T
    samples = []
    for rows in _blocks(resamples, units):
        drawn = rng.integers(units, size=(rows, units), dtype=np.uint32)
        places = drawn + units * np.arange(rows)[:, np.newaxis]
        times = np.bincount(places.ravel(), minlength=rows * units).reshape(rows, units)
        differences, counts = np.split(times @ summed, 2, axis=1)
        samples.append((differences / np.maximum(counts, 1)).sum(axis=1) / np.count_nonzero(counts, axis=1))
    return np.concatenate(samples)


def _blocks(rows: int, width: int) -> Iterator[int]:
    """Split rows of random numbers so that a block of them fits into memory."""
    most = max(1, _DRAWS_AT_ONCE // width)
    for done in range(0, rows, most):
        yield min(most, rows - done)
