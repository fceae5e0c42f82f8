"""Calls of a Qdrant server that are made again, over gRPC; ``test_bulk_load`` does the same over REST."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from qdrant_client import grpc as qdrant_grpc
from qdrant_client.http.exceptions import UnexpectedResponse
from rich.console import Console

from app.errors import ConfigurationError, IndexUnavailable, RunConflict, XqgError
from app.index import ServerAccess
from app.index.server import connect
from app.passages import Passage
from offline.writers import ServerStore, Storage
from offline.writers.retry import Patience, asked_pause_s
from tests.contracts import contract

QUIET = Console(quiet=True)
Code = grpc.StatusCode


class Points(qdrant_grpc.PointsServicer):  # type: ignore[misc, name-defined]
    """The points service of a server: refuses as staged, then counts what comes."""

    def __init__(self) -> None:
        self.port = 0
        self.collections = Collections()
        self.refusals: list[tuple[grpc.StatusCode, tuple[tuple[str, str], ...]]] = []
        self.calls = 0
        self.stored: set[str] = set()

    async def Upsert(self, request: Any, context: Any) -> Any:  # noqa: N802, the service's own name
        self.calls += 1
        if self.refusals:
            code, trailing = self.refusals.pop(0)
            await context.abort(code, "staged", trailing)
        self.stored.update(point.payload["docid"].string_value for point in request.points)
        return qdrant_grpc.PointsOperationResponse(
            result=qdrant_grpc.UpdateResult(operation_id=1, status=qdrant_grpc.UpdateStatus.Completed), time=0.0
        )


class Collections(qdrant_grpc.CollectionsServicer):  # type: ignore[misc, name-defined]
    """The collections service of a server: keeps what it is asked for; every graph is built at once."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def CollectionExists(self, request: Any, context: Any) -> Any:  # noqa: N802
        return qdrant_grpc.CollectionExistsResponse(result=qdrant_grpc.CollectionExists(exists=False))

    async def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.asked.append(request)
        return qdrant_grpc.CollectionOperationResponse(result=True)

    async def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.asked.append(request)
        return qdrant_grpc.CollectionOperationResponse(result=True)

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: N802
        ok, green = qdrant_grpc.OptimizerStatus(ok=True), qdrant_grpc.CollectionStatus.Green
        config = qdrant_grpc.CollectionConfig(
            params=qdrant_grpc.CollectionParams(shard_number=1),
            hnsw_config=qdrant_grpc.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=10_000),
            optimizer_config=qdrant_grpc.OptimizersConfigDiff(
                deleted_threshold=0.2, vacuum_min_vector_number=1000, default_segment_number=0, flush_interval_sec=5
            ),
            wal_config=qdrant_grpc.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
        )
        info = qdrant_grpc.CollectionInfo(status=green, optimizer_status=ok, config=config)
        return qdrant_grpc.GetCollectionInfoResponse(result=info)


@pytest.fixture
async def points() -> AsyncIterator[Points]:
    points, server = Points(), grpc.aio.server()
    qdrant_grpc.add_PointsServicer_to_server(points, server)
    qdrant_grpc.add_CollectionsServicer_to_server(points.collections, server)
    points.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield points
    await server.stop(1)


def store_of(points: Points, storage: Storage) -> ServerStore:
    client = connect("http://127.0.0.1:9", ServerAccess(grpc_port=points.port, timeout_s=5))
    return ServerStore(client, Path("unused"), storage, QUIET, retry_s=20)


async def write(points: Points) -> None:
    """Upsert one passage, as a load does."""
    store = store_of(points, Storage())
    writer = await store.reopen("passages-1", contract())
    assert writer is not None
    try:
        await writer.write([Passage("a", "A", "text")], np.ones((1, 4), np.float32))
    finally:
        await store.close()


async def test_a_collection_is_asked_for_over_grpc_as_over_rest(points: Points) -> None:
    store = store_of(points, Storage("int8", True, 32, 200, 3, 2, 1))
    writer = await store.create("passages-1", contract(fields={}))
    await writer.build_graph()
    await store.close()
    created, restored = points.collections.asked
    assert (created.hnsw_config.m, created.hnsw_config.ef_construct, created.on_disk_payload) == (0, 200, True)
    assert created.vectors_config.params.on_disk
    assert created.quantization_config.scalar.always_ram
    assert (created.shard_number, created.replication_factor, created.write_consistency_factor) == (3, 2, 1)
    assert created.metadata["xqg"].struct_value.fields["run_id"].string_value == "abc"
    assert (restored.hnsw_config.m, restored.hnsw_config.ef_construct) == (32, 200)


async def test_refusals_that_pass_are_asked_again_over_grpc(points: Points) -> None:
    passing = (Code.UNAVAILABLE, Code.ABORTED, Code.INTERNAL, Code.DEADLINE_EXCEEDED)
    points.refusals = [(code, ()) for code in passing]
    await write(points)
    assert (points.calls, points.stored) == (5, {"a"})


async def test_a_rate_limit_over_grpc_is_heeded(points: Points) -> None:
    points.refusals = [(Code.RESOURCE_EXHAUSTED, (("retry-after", "3600"),))]
    with pytest.raises(IndexUnavailable, match=r"limits the rate.*the same command"):
        await write(points)
    assert points.calls == 1  # an hour is longer than it would wait
    points.refusals = [(Code.RESOURCE_EXHAUSTED, ())]
    await write(points)
    assert points.stored == {"a"}


@pytest.mark.parametrize(
    ("code", "kind", "complaint"),
    [
        (Code.INVALID_ARGUMENT, ConfigurationError, "staged; asking again would not help"),
        (Code.UNAUTHENTICATED, ConfigurationError, "refuses the key"),
        (Code.PERMISSION_DENIED, ConfigurationError, "refuses the key"),
        (Code.NOT_FOUND, RunConflict, "was the collection dropped meanwhile"),
    ],
)
async def test_refusals_that_last_are_said_at_once_over_grpc(
    points: Points, code: grpc.StatusCode, kind: type[XqgError], complaint: str
) -> None:
    points.refusals = [(code, ())]
    with pytest.raises(kind, match=complaint):
        await write(points)
    assert points.calls == 1


async def test_a_port_that_is_closed_is_given_up_with_a_way_on() -> None:
    calls = 0

    async def refused() -> None:
        nonlocal calls
        calls += 1
        raise ConnectionRefusedError("connection refused")

    with pytest.raises(IndexUnavailable, match=r"tried for --retry-s 1.*it goes on where it was"):
        await Patience(1, QUIET)(refused)
    assert calls > 1


async def test_waiting_is_told_once_however_many_calls_wait() -> None:
    console = Console(record=True, width=200, file=io.StringIO())

    async def refused() -> None:
        raise ConnectionRefusedError("connection refused")

    with pytest.raises(IndexUnavailable):
        await Patience(1, console)(refused)
    assert console.export_text().count("connection refused; trying again, for up to 1 s") == 1


def refusal(headers: dict[str, str]) -> UnexpectedResponse:
    return UnexpectedResponse(503, "Service Unavailable", b"", httpx.Headers(headers))


@pytest.mark.parametrize(("header", "expected_s"), [("7", 7), ("soon", 0), ("-1", 0)])
def test_a_pause_may_be_asked_for_in_seconds(header: str, expected_s: float) -> None:
    assert asked_pause_s(refusal({"Retry-After": header})) == expected_s
    assert asked_pause_s(refusal({})) == 0


def test_a_pause_may_be_asked_for_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    assert asked_pause_s(refusal({"Retry-After": date})) == pytest.approx(3600, abs=120)
