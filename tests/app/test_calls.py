"""Reads of a Qdrant server: what is tried again, what opens the circuit, and what time they take."""

import asyncio
from collections.abc import Callable

import grpc
import httpx
import pytest
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from app.errors import DeadlineExceeded, IndexUnavailable
from app.index.calls import Reader
from app.index.circuit import Circuit


def status(code: int) -> Exception:
    return UnexpectedResponse(code, "staged", b'{"status": {"error": "staged"}}', httpx.Headers())


def code(value: grpc.StatusCode) -> Exception:
    return grpc.aio.AioRpcError(value, grpc.aio.Metadata(), grpc.aio.Metadata(), "staged")


class Server:
    """Raises what is staged, one a call, then answers."""

    def __init__(self, *staged: Exception) -> None:
        self.staged = list(staged)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.staged:
            raise self.staged.pop(0)
        return "answer"


BROKEN: list[Callable[[], Exception]] = [
    lambda: status(500),
    lambda: status(503),
    lambda: ResponseHandlingException(httpx.ConnectError("refused")),
    lambda: ResponseHandlingException(httpx.ReadError("reset")),
    lambda: ResponseHandlingException(httpx.RemoteProtocolError("cut off")),
    lambda: code(grpc.StatusCode.UNAVAILABLE),
]
REFUSING: list[Callable[[], Exception]] = [
    lambda: status(400),
    lambda: status(404),
    lambda: ResourceExhaustedResponse("slow down", retry_after_s=7),
    lambda: code(grpc.StatusCode.INVALID_ARGUMENT),
    lambda: code(grpc.StatusCode.NOT_FOUND),
]
FAILING_ONCE: list[Callable[[], Exception]] = [
    lambda: ResponseHandlingException(httpx.ReadTimeout("slow")),
    lambda: ResponseHandlingException(ValueError("no JSON")),
    lambda: code(grpc.StatusCode.DEADLINE_EXCEEDED),
    lambda: status(504),
]


@pytest.mark.parametrize("staged", BROKEN)
async def test_a_call_that_broke_is_made_again_twice(staged: Callable[[], Exception]) -> None:
    circuit = Circuit(failures=1)
    server = Server(staged(), staged())
    assert await Reader(circuit, 60)(server) == "answer"
    assert server.calls == 3
    hopeless = Server(staged(), staged(), staged())
    with pytest.raises(IndexUnavailable):
        await Reader(circuit, 60)(hopeless)
    assert hopeless.calls == 3
    assert circuit.is_open


@pytest.mark.parametrize("staged", REFUSING)
async def test_a_refusal_is_an_answer_that_asking_again_does_not_mend(staged: Callable[[], Exception]) -> None:
    circuit = Circuit(failures=1)
    server = Server(staged())
    with pytest.raises(IndexUnavailable):
        await Reader(circuit, 60)(server)
    assert server.calls == 1
    assert not circuit.is_open


@pytest.mark.parametrize("staged", FAILING_ONCE)
async def test_a_timeout_and_an_answer_that_is_none_count_but_are_not_asked_for_again(
    staged: Callable[[], Exception],
) -> None:
    circuit = Circuit(failures=1)
    server = Server(staged())
    with pytest.raises(IndexUnavailable):
        await Reader(circuit, 60)(server)
    assert server.calls == 1
    assert circuit.is_open


async def hang() -> str:
    await asyncio.Event().wait()
    return "never"


async def test_a_server_that_hangs_costs_no_more_than_the_time_there_is() -> None:
    circuit = Circuit(failures=1)
    deadline = asyncio.get_running_loop().time() + 1.2
    with pytest.raises(DeadlineExceeded, match="did not answer within 1"):
        await Reader(circuit, 60)(hang, deadline)
    assert circuit.is_open


async def test_a_server_that_was_asked_too_late_is_not_to_blame() -> None:
    circuit = Circuit(failures=1)
    for left_s in (0.1, 0, -1):
        with pytest.raises(DeadlineExceeded):
            await Reader(circuit, 60)(hang, asyncio.get_running_loop().time() + left_s)
    assert not circuit.is_open


async def test_a_caller_who_goes_away_is_no_failure_and_leaves_no_probe_behind() -> None:
    circuit = Circuit(failures=1, pause_s=0)
    reader = Reader(circuit, 60)

    async def go_away() -> None:
        task = asyncio.create_task(reader(hang))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    await go_away()
    assert not circuit.is_open
    with pytest.raises(IndexUnavailable):
        await reader(Server(status(504)))
    assert circuit.is_open
    await go_away()  # as the probe
    assert await reader(Server()) == "answer"
    assert not circuit.is_open


async def test_calls_under_way_are_counted_until_they_end_in_whatever_way() -> None:
    circuit = Circuit(failures=3, pause_s=60)
    reader = Reader(circuit, 60)
    waiting = [asyncio.create_task(reader(hang)) for _ in range(2)]
    late = asyncio.create_task(reader(hang, asyncio.get_running_loop().time() + 0.1))
    await asyncio.sleep(0)
    assert reader.calls_in_flight == 3
    with pytest.raises(DeadlineExceeded):
        await late
    assert reader.calls_in_flight == 2
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert reader.calls_in_flight == 0
    assert await reader(Server()) == "answer"
    for _ in range(3):
        with pytest.raises(IndexUnavailable):
            await reader(Server(status(504)))
    with pytest.raises(IndexUnavailable, match="left alone"):  # refused, and so never under way
        await reader(Server())
    assert reader.calls_in_flight == 0
