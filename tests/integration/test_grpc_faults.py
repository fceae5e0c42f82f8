"""A gRPC server that fails, hangs and comes back, asked as Qdrant is asked by default."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest
from qdrant_client import grpc as messages

from app.errors import DeadlineExceeded, IndexUnavailable
from app.index import ServerAccess
from app.index.calls import Reader
from app.index.circuit import Circuit
from app.index.server import ServerIndex, connect
from tests.contracts import contract

QUESTION = np.ones(4, np.float32)


class Points(messages.PointsServicer):
    """Qdrant's service of points, over an empty collection."""

    def __init__(self) -> None:
        self.staged: deque[grpc.StatusCode | None] = deque()
        """What the next calls end with; None hangs."""
        self.calls = 0
        self.cancelled = 0

    async def Query(self, request: Any, context: grpc.aio.ServicerContext) -> messages.QueryResponse:  # noqa: N802
        self.calls += 1
        if self.staged:
            code = self.staged.popleft()
            if code is not None:
                await context.abort(code, "staged")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return messages.QueryResponse()


async def started(points: Points, port: int = 0) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server()
    messages.add_PointsServicer_to_server(points, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server, port


@dataclass
class Stage:
    """The server, and an index on it whose circuit opens at the first failure and probes at once."""

    points: Points
    server: grpc.aio.Server
    port: int
    circuit: Circuit
    index: ServerIndex


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    points, circuit = Points(), Circuit(failures=1, pause_s=0)
    server, port = await started(points)
    client = connect("http://127.0.0.1:9", ServerAccess(grpc_port=port))
    stage = Stage(points, server, port, circuit, ServerIndex(client, "passages-1", contract(), Reader(circuit, 60)))
    yield stage
    await client.close()
    await stage.server.stop(None)


async def test_a_call_that_is_unavailable_is_made_again(stage: Stage) -> None:
    stage.points.staged += [grpc.StatusCode.UNAVAILABLE] * 2
    assert await stage.index.query(QUESTION, 1) == []
    assert stage.points.calls == 3


async def test_refusals_are_not_repeated_and_a_missing_collection_is_named(stage: Stage) -> None:
    stage.points.staged += [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND]
    with pytest.raises(IndexUnavailable, match="staged"):
        await stage.index.query(QUESTION, 1)
    with pytest.raises(IndexUnavailable, match="passages-1 is no longer on the server"):
        await stage.index.query(QUESTION, 1)
    assert stage.points.calls == 2
    assert not stage.circuit.is_open


async def test_a_server_that_hangs_is_told_when_nobody_waits_any_more(stage: Stage) -> None:
    stage.points.staged += [None, None]
    with pytest.raises(DeadlineExceeded):
        await stage.index.query(QUESTION, 1, deadline=asyncio.get_running_loop().time() + 1.5)
    assert stage.circuit.is_open
    caller = asyncio.create_task(stage.index.query(QUESTION, 1))  # the probe
    while stage.points.calls < 2:  # noqa: ASYNC110, the server tells nobody
        await asyncio.sleep(0.01)
    caller.cancel()
    while stage.points.cancelled < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert await stage.index.query(QUESTION, 1) == []
    assert not stage.circuit.is_open


async def test_a_server_that_was_away_is_found_again(stage: Stage) -> None:
    assert await stage.index.query(QUESTION, 1) == []
    await stage.server.stop(None)
    with pytest.raises(IndexUnavailable, match="is its gRPC port open"):
        await stage.index.query(QUESTION, 1)
    assert stage.circuit.is_open
    stage.server, _ = await started(stage.points, stage.port)
    while stage.circuit.is_open:
        try:
            assert await stage.index.query(QUESTION, 1) == []
        except IndexUnavailable:
            await asyncio.sleep(0.05)
