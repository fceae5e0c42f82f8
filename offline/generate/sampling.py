"""Sampling whose outcome depends on the query alone, not on its batch, worker or moment.

A draw from ``softmax(logits / temperature)`` is the largest of ``logits / temperature`` plus
Gumbel noise (Gumbel, 1954; "the Gumbel-max trick").  The noise of a token is a hash of the
query's key, the step and the token, so a query comes out the same in whatever batch it is
drawn, whichever worker draws it, and after whatever interruption.
"""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def sequence_key(seed: int, docid: str, language: str, ordinal: int) -> int:
    """64 bits that are a query's own: the seed, its passage, its language, its number."""
    content = f"{seed}\0{docid}\0{language}\0{ordinal}".encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


class GumbelTopK:
    """A logits processor: greedy search over what it returns is top-k sampling.

    Args:
        keys: ``sequence_key`` of each row.
        top_k: how many of the likeliest tokens may be drawn.
        temperature: above 1 is more varied, below 1 more cautious.
    """

    def __init__(self, keys: list[int], top_k: int, temperature: float) -> None:
        self._keys = np.array(keys, np.uint64)[:, None]
        self._top_k = top_k
        self._temperature = temperature

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``scores`` [rows, vocabulary] -> the same with -inf for all but the top k, which get noise."""
        values, tokens = torch.topk(scores, min(self._top_k, scores.shape[-1]), dim=-1)
        noise = gumbel(self._keys, input_ids.shape[1], tokens.cpu().numpy().astype(np.uint64))
        noisy = values / self._temperature + torch.from_numpy(noise).to(values)
        return torch.full_like(scores, -torch.inf).scatter_(-1, tokens, noisy)


def gumbel(keys: NDArray[np.uint64], step: int, tokens: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Gumbel noise [rows, k] for the keys [rows, 1] and tokens [rows, k] of a step."""
    with np.errstate(over="ignore"):  # sums wrap round on purpose
        bits = _mixed(_mixed(keys + np.uint64(step) * _GAMMA) + tokens * _GAMMA)
    uniform = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52  # inside (0, 1), never at its ends
    return -np.log(-np.log(uniform))


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
