"""Ask an HTTP server again where that may help."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential

LONGEST_PAUSE_S = 60.0


class Again(Exception):
    """A fault that may be over when asked again.

    Args:
        pause_s: how long the server asked to be left alone, None where it did not say.
    """

    def __init__(self, reason: str, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


def asking_again(retry_s: float) -> AsyncRetrying:
    """Calls what it is given until that raises no ``Again``, or for ``retry_s`` seconds; then the last one is raised.

    Pauses are those that the server asks for, up to a minute, else random ones that grow.
    """
    return AsyncRetrying(
        retry=retry_if_exception_type(Again), wait=_pause_s, stop=stop_after_delay(retry_s), reraise=True
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in either of its forms, None where there is none that makes sense.

    Args:
        headers: of an answer; names in any case, as in ``httpx.Headers``.
    """
    header = headers.get("retry-after", "").strip()
    if header.isascii() and header.isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


_backoff = wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_S)


def _pause_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause_s if isinstance(error, Again) else None
    return _backoff(state) if asked is None else min(asked, LONGEST_PAUSE_S)
