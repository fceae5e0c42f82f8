"""Asking again: only what the service says is temporary, a bounded number of times, and never in step."""

import random
from dataclasses import dataclass

from xqg_client.errors import ServiceProblem

_TEMPORARY = (429, 503)
"""The queue is full; not ready, or the index does not answer.  A 504 has had its time already."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and how patiently, 429 and 503 are asked again.

    The pause is what ``Retry-After`` asks for, and on top a random time up to ``base_s`` doubled at every
    failure: clients that were refused together must not come back together ("full jitter", M. Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """

    times: int = 3
    """After the first; 0 never asks again."""
    base_s: float = 0.25
    longest_s: float = 30
    """A service that wants more patience than this is not asked again, and no pause is longer."""

    def pause_s(self, failures: int, problem: ServiceProblem) -> float | None:
        """Seconds to wait after so many failures in a row, the last of which is given; None gives up."""
        if problem.status not in _TEMPORARY or failures > self.times:
            return None
        asked_s = problem.retry_after_s or 0.0
        if asked_s > self.longest_s:
            return None
        jitter_s = random.uniform(0, self.base_s * 2 ** (failures - 1))  # noqa: S311, no secret
        return min(asked_s + jitter_s, self.longest_s)
