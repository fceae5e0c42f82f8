"""Calls of a Qdrant server: what its client raises, and reads that do not hang, hammer or give up at once."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from app.errors import DeadlineExceeded, IndexUnavailable
from app.index.circuit import Circuit

T = TypeVar("T")

# The client raises its transports' errors as they are; in-memory mode raises ValueError.
_CLIENT_ERRORS = (ApiException, QdrantException, grpc.RpcError, httpx.HTTPError, OSError, ValueError)

_BROKEN_STATUS = frozenset({500, 502, 503})
_BROKEN_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.ABORTED})
_REFUSING_CODES = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)

_RETRY_PAUSES_S = (0.05, 0.2)
"""Before the second and the third try, give or take half."""
_TO_ANSWER_S = 0.05
"""What a call leaves of its caller's time, so that it is the call that ends, and knows why."""
_FAIR_S = 1.0
"""A server that did not answer for so long has failed; in less, it may just have been asked too late."""


async def call(answer: Awaitable[T]) -> T:
    """Await a client call; its errors become ``IndexUnavailable``."""
    try:
        return await answer
    except ResourceExhaustedResponse as error:
        raise IndexUnavailable(
            "Qdrant limits the rate of calls; try again later", retry_after_s=error.retry_after_s
        ) from error
    except grpc.aio.AioRpcError as error:
        remedy = ""
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            remedy = "; is its gRPC port open? XQG_QDRANT_GRPC_PORT names it, and 0 uses REST alone"
        raise IndexUnavailable(f"Qdrant does not answer: {error.details()}{remedy}") from error
    except UnexpectedResponse as error:
        refusal = f"{error.status_code} {error.reason_phrase}: {_said(error)}"
        raise IndexUnavailable(f"Qdrant does not answer as expected: {refusal[:300]}") from error
    except _CLIENT_ERRORS as error:
        reason = " ".join(str(error).split()) or type(getattr(error, "source", error)).__name__
        raise IndexUnavailable(f"Qdrant does not answer as expected: {reason[:300]}") from error


def _said(error: UnexpectedResponse) -> str:
    """What Qdrant says went wrong; a proxy before it may say anything."""
    try:
        return str(error.structured()["status"]["error"])
    except (ValueError, LookupError, TypeError):
        return " ".join(error.content.decode("utf-8", "replace").split())


def not_there(error: IndexUnavailable) -> bool:
    """Whether the server answered that it has no such collection."""
    cause = error.__cause__
    if isinstance(cause, UnexpectedResponse):
        return cause.status_code == 404
    return isinstance(cause, grpc.aio.AioRpcError) and cause.code() is grpc.StatusCode.NOT_FOUND


class Reader:
    """Makes calls that read.

    Each has no more time than its caller has left.  A broken connection or a 5xx is tried again,
    twice and soon; a timeout is not, for the server may be busy enough.  Failure after failure opens
    the circuit.

    Args:
        circuit: what is known of the server's health.
        timeout_s: for a call whose caller sets no deadline.
    """

    def __init__(self, circuit: Circuit, timeout_s: float) -> None:
        self._circuit = circuit
        self._timeout_s = timeout_s
        self._in_flight = 0

    @property
    def calls_in_flight(self) -> int:
        """Calls that were let through and have not ended; one that is tried again is one."""
        return self._in_flight

    @property
    def is_failing(self) -> bool:
        """Whether the server failed so often that it is left alone for a moment."""
        return self._circuit.is_open

    def check(self) -> None:
        """Raises IndexUnavailable where a call would be refused for that."""
        self._circuit.check()

    async def __call__(self, ask: Callable[[], Awaitable[T]], deadline: float | None = None) -> T:
        """The answer to a call that may be made more than once.

        Args:
            deadline: time of the event loop by which the caller gives up.

        Raises:
            IndexUnavailable: the server fails, refuses, or is left alone for having failed.
            DeadlineExceeded: it did not answer in time.
        """
        left_s = self._timeout_s
        if deadline is not None:
            left_s = min(left_s, deadline - asyncio.get_running_loop().time() - _TO_ANSWER_S)
        if left_s <= 0:
            raise DeadlineExceeded("no time was left to ask the index; ask again later")
        with self._circuit.attempt() as attempt, self._counted():
            try:
                async with asyncio.timeout(left_s):
                    answer = await _with_retries(ask)
            except TimeoutError as error:
                reason = f"Qdrant did not answer within {left_s:.2g} s"
                if left_s >= min(_FAIR_S, self._timeout_s / 2):
                    attempt.failed(reason)
                raise DeadlineExceeded(f"{reason}, all that was left of the time; ask again later") from error
            except IndexUnavailable as error:
                if _refuses(error):
                    attempt.answered()
                else:
                    attempt.failed(error.message)
                raise
            attempt.answered()
            return answer

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1


async def _with_retries(ask: Callable[[], Awaitable[T]]) -> T:
    for pause_s in _RETRY_PAUSES_S:
        try:
            return await call(ask())
        except IndexUnavailable as error:
            if not _broke(error):
                raise
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311, no secret
    return await call(ask())


def _broke(error: IndexUnavailable) -> bool:
    """Whether the call was cut off or failed within the server: the next one may go well."""
    cause = error.__cause__
    if isinstance(cause, UnexpectedResponse):
        return cause.status_code in _BROKEN_STATUS
    if isinstance(cause, ResponseHandlingException):
        return isinstance(cause.source, httpx.NetworkError | httpx.RemoteProtocolError)
    return isinstance(cause, grpc.aio.AioRpcError) and cause.code() in _BROKEN_CODES


def _refuses(error: IndexUnavailable) -> bool:
    """Whether the server works and will not do what it was asked."""
    cause = error.__cause__
    if isinstance(cause, UnexpectedResponse):
        return cause.status_code in range(400, 500) and cause.status_code != 408
    if isinstance(cause, grpc.aio.AioRpcError):
        return cause.code() in _REFUSING_CODES
    return isinstance(cause, ResourceExhaustedResponse)
