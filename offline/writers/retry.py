"""Ask a Qdrant server again where waiting mends it, and say plainly where it does not."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from rich.console import Console
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_before_delay, wait_exponential, wait_random

from app.errors import ConfigurationError, IndexUnavailable, RunConflict, XqgError
from app.index.calls import call
from offline.again import retry_after_s

T = TypeVar("T")

_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_PASSING_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.CANCELLED,
    }
)
_NO_KEY = frozenset({401, 403, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_NOT_THERE = frozenset({404, grpc.StatusCode.NOT_FOUND})

_TELL_INTERVAL_S = 10.0


class Patience:
    """Calls of a server, made again with growing pauses while what hinders them may pass."""

    def __init__(self, retry_s: float, console: Console) -> None:
        self._retry_s = retry_s
        self._console = console
        self._told_at = -_TELL_INTERVAL_S
        self._pause = wait_exponential(multiplier=0.1, max=15) + wait_random(0, 0.1)

    async def __call__(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of a call that may be made twice: one whose answer was lost is made again.

        Raises:
            ConfigurationError: the server refuses, and would again.
            RunConflict: the server has not, or no longer, what the call names.
            IndexUnavailable: the server did not answer for ``retry_s`` seconds.
        """

        async def once() -> T:
            return await call(ask())

        attempts = AsyncRetrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_before_delay(self._retry_s),
            wait=self._wait_s,
            before_sleep=self._tell,
            reraise=True,
        )
        try:
            return await attempts(once)
        except IndexUnavailable as error:
            raise self._verdict(error) from error

    def _wait_s(self, state: RetryCallState) -> float:
        return max(self._pause(state), asked_pause_s(_cause(state)))

    def _tell(self, state: RetryCallState) -> None:
        if time.monotonic() - self._told_at < _TELL_INTERVAL_S:  # several calls fail together
            return
        self._told_at = time.monotonic()
        error = state.outcome.exception() if state.outcome else None
        self._console.print(f"{error}; trying again, for up to {self._retry_s:g} s")

    def _verdict(self, error: IndexUnavailable) -> XqgError:
        cause = error.__cause__
        status: object = None
        if isinstance(cause, UnexpectedResponse):
            status = cause.status_code
        elif isinstance(cause, grpc.aio.AioRpcError):
            status = cause.code()
        if _may_pass(error):
            asked_s, tried = asked_pause_s(cause), f"tried for --retry-s {self._retry_s:g}"
            if asked_s > self._retry_s:
                tried = f"asked to wait {asked_s:,.0f} s, over --retry-s {self._retry_s:g}"
            return IndexUnavailable(
                f"{error.message} ({tried}). Run the same command when the server answers: it goes on where it was"
            )
        if status == 413:
            return ConfigurationError(f"{error.message}; send less at once with a smaller --batch-points")
        if status in _NO_KEY:
            return ConfigurationError("Qdrant refuses the key; give its own with XQG_QDRANT_API_KEY or --api-key")
        if status in _NOT_THERE:
            return RunConflict(
                f"{error.message}; was the collection dropped meanwhile? Run the same command to begin it anew, "
                "or correct the address"
            )
        return ConfigurationError(
            f"{error.message}; asking again would not help: look at the options given, and at the server's version "
            "(xQG needs Qdrant 1.16 or later)"
        )


def _cause(state: RetryCallState) -> BaseException | None:
    error = state.outcome.exception() if state.outcome else None
    return error.__cause__ if error else None


def _may_pass(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    cause = error.__cause__
    if isinstance(cause, UnexpectedResponse):
        return cause.status_code in _PASSING_STATUS
    if isinstance(cause, ResponseHandlingException):
        return isinstance(cause.source, httpx.TransportError)  # the rest are answers that are not Qdrant's
    if isinstance(cause, grpc.aio.AioRpcError):
        return cause.code() in _PASSING_CODES
    return isinstance(cause, QdrantException | OSError)


def asked_pause_s(cause: BaseException | None) -> float:
    """Seconds that the server asks for before the next call, 0 where it asks for none."""
    if isinstance(cause, ResourceExhaustedResponse):
        return cause.retry_after_s
    if not isinstance(cause, UnexpectedResponse):
        return 0
    return retry_after_s(cause.headers) or 0
