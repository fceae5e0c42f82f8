"""Circuit: leave a server alone that fails again and again, and notice when it is back."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import IndexUnavailable

_LOG = logging.getLogger(__name__)


class Circuit:
    """Opens after so many failures in a row; from then on one call at a time, a probe, may try.

    Closed: calls pass.  Open: calls are refused at once, for ``pause_s``.  Half-open: the first call
    after that is the probe, and the others are refused until it has ended.  Any answer closes the
    circuit.  It belongs to one event loop, and nothing in it awaits, so it needs no lock.

    Args:
        failures: how many in a row open it.
        pause_s: how long it stays open before a probe.
        clock: seconds that never go back.
    """

    def __init__(self, *, failures: int = 5, pause_s: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probe: Attempt | None = None
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, but for a probe."""
        return self._opened_at is not None

    def check(self) -> None:
        """Raise what ``attempt`` would raise now, before work is done for a call that will be refused."""
        if self._opened_at is None:
            return
        left_s = self._opened_at + self._pause_s - self._clock()
        if left_s > 0 or self._probe is not None:
            raise IndexUnavailable(
                f"Qdrant failed {self._limit} times in a row and is left alone for a moment ({self._reason})",
                retry_after_s=max(left_s, 1),
            )

    @contextmanager
    def attempt(self) -> Iterator["Attempt"]:
        """One call.  It tells the attempt how it ended; one that tells nothing, as a caller who goes
        away does, counts as neither, and makes room for the next probe.

        Raises:
            IndexUnavailable: the circuit is open, or half-open with its probe under way.
        """
        self.check()
        attempt = Attempt(self)
        if self._opened_at is not None:
            self._probe = attempt
        try:
            yield attempt
        finally:
            if self._probe is attempt:
                self._probe = None

    def _answered(self) -> None:
        if self._opened_at is not None:
            _LOG.info("Qdrant answers again")
        self._failures, self._opened_at = 0, None

    def _failed(self, attempt: "Attempt", reason: str) -> None:
        if self._opened_at is not None and self._probe is not attempt:
            return  # it began before the circuit opened
        self._failures += 1
        self._reason = reason
        if self._failures >= self._limit:
            if self._opened_at is None:
                _LOG.error("Qdrant failed %d times in a row: %s", self._failures, reason)
            self._opened_at = self._clock()


class Attempt:
    """A call under way, which says how it ended."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit

    def answered(self) -> None:
        """The server works, whether it did what was asked or refused it."""
        self._circuit._answered()

    def failed(self, reason: str) -> None:
        """The server did not answer, or not as a working one does."""
        self._circuit._failed(self, reason)
