"""Loads into a Qdrant server over a real socket, with a server whose faults the test stages."""

import asyncio
import io
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from app.errors import ConfigurationError, IndexUnavailable, RunConflict, VerificationError, XqgError
from app.index import ServerAccess
from app.index.server import ServerIndex, connect
from app.passages import point_id
from offline.load import LoadRequest, load
from offline.share import Share
from offline.writers import Storage, Uploads
from tests.conftest import ROOT
from tests.qdrant_stub import Die, Drop, Fault, Hang, LoseAnswer, QdrantStub, Refuse, Reset, running_stub
from tests.runs import random_run

Offline = Callable[..., subprocess.CompletedProcess[str]]
PASSAGES = 400
SHARD = 40
QUIET = Console(quiet=True)
REST = ServerAccess(grpc_port=0, timeout_s=30)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_run(tmp_path_factory.mktemp("bulk") / "run", PASSAGES, SHARD)


@pytest.fixture
def stub() -> Iterator[QdrantStub]:
    with running_stub() as stub:
        yield stub


@pytest.fixture
def request_(vectors: Path, stub: QdrantStub, tmp_path: Path) -> LoadRequest:
    """A load of vectors of the test's own: what earlier loads remember is beside them."""
    own = tmp_path / "vectors"
    shutil.copytree(vectors, own)
    return LoadRequest(own, stub.url, "passages", 0.05, access=REST, uploads=Uploads(retry_s=20))


async def until(reached: Callable[[], bool]) -> None:
    """Wait for what happens on the stub's thread."""
    while not reached():  # noqa: ASYNC110, no event crosses threads
        await asyncio.sleep(0.01)


def sent(stub: QdrantStub) -> list[str]:
    """The docid of every point of every upsert, in order, those of failed calls included."""
    return [point["payload"]["docid"] for call in stub.calls_of("upsert") for point in call.body["points"]]


def check_whole(stub: QdrantStub) -> None:
    """What is live has every passage once, under its own id."""
    (alias,) = stub.engine.points.get_aliases().aliases
    assert alias.alias_name == "passages"
    records, _ = stub.engine.points.scroll(alias.collection_name, limit=2 * PASSAGES)
    assert {record.id for record in records} == {point_id(str(number)) for number in range(PASSAGES)}
    info = stub.engine.described(alias.collection_name)
    assert info["config"]["metadata"]["xqg"]["complete"]


async def test_the_graph_is_built_after_the_upload_and_the_payload_indexes_before(
    stub: QdrantStub, request_: LoadRequest
) -> None:
    contract = await load(replace(request_, filter_fields=["topic"]), QUIET)
    check_whole(stub)
    (collection,) = stub.collections.values()
    assert collection.hnsw_m == [0, 16]
    assert (collection.indexes, collection.points_at_index) == ({"metadata.topic": "keyword"}, [0])
    order = [call.operation for call in stub.calls]
    graph = next(n for n, call in enumerate(stub.calls) if call.operation == "update" and call.body.get("hnsw_config"))
    assert max(n for n, operation in enumerate(order) if operation == "upsert") < graph < order.index("change_aliases")
    assert order[-1] == "change_aliases"
    assert contract.passages == PASSAGES
    assert not list((request_.vectors / "loads").glob("*/*.marks"))


async def test_uploads_come_in_batches_and_no_more_at_once_than_said(stub: QdrantStub, request_: LoadRequest) -> None:
    await load(replace(request_, uploads=Uploads(batch_points=15, parallel=3)), QUIET)
    check_whole(stub)
    sizes = [len(call.body["points"]) for call in stub.calls_of("upsert")]
    assert sorted(set(sizes)) == [10, 15]
    assert sorted(sent(stub)) == sorted(map(str, range(PASSAGES)))  # none twice
    assert stub.most_at_once == 3
    assert {call.parameters for call in stub.calls_of("upsert")} == {"wait=true"}


async def test_storage_options_reach_the_server(stub: QdrantStub, request_: LoadRequest) -> None:
    storage = Storage("int8", True, 32, 200, shards=3, replication_factor=2, write_consistency_factor=1)
    await load(replace(request_, storage=storage), QUIET)
    (collection,) = stub.collections.values()
    created = collection.created
    assert created["vectors"] == {"size": 4, "distance": "Cosine", "on_disk": True}
    assert created["quantization_config"] == {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": True}}
    assert created["on_disk_payload"]
    assert (created["shard_number"], created["replication_factor"], created["write_consistency_factor"]) == (3, 2, 1)
    assert (created["hnsw_config"], collection.hnsw_m) == ({"m": 0, "ef_construct": 200}, [0, 32])
    assert collection.hnsw == {"m": 32, "ef_construct": 200}


async def test_what_is_not_asked_for_is_left_to_the_server(stub: QdrantStub, request_: LoadRequest) -> None:
    await load(request_, QUIET)
    (collection,) = stub.collections.values()
    assert set(collection.created) == {"vectors", "hnsw_config", "on_disk_payload", "metadata"}
    assert collection.created["vectors"] == {"size": 4, "distance": "Cosine"}


@pytest.mark.parametrize("quantization", ["none", "int8"])
async def test_a_quantised_collection_is_searched_with_rescoring_and_another_is_not(
    stub: QdrantStub, request_: LoadRequest, quantization: str
) -> None:
    await load(replace(request_, storage=Storage(quantization)), QUIET)  # type: ignore[arg-type]
    index = await ServerIndex.open(connect(stub.url, REST), "passages")
    assert len(await index.query(np.ones(4, np.float32), 5)) == 5
    await index.close()
    (call,) = stub.calls_of("query")
    asked = (call.body.get("params") or {}).get("quantization")
    assert asked == ({"rescore": True, "oversampling": 2.0} if quantization == "int8" else None)


@pytest.mark.parametrize(
    ("operation", "faults"),
    [
        ("upsert", [Refuse(503), Refuse(502), Refuse(500), Refuse(504)]),
        ("upsert", [Reset(), LoseAnswer(), Reset(), LoseAnswer()]),
        ("upsert", [Refuse(429), Refuse(408)]),
        ("upsert", [Hang(3)]),
        ("get_aliases", [Refuse(503), Reset()]),
        ("exists", [Reset(), LoseAnswer()]),
        ("create", [Refuse(503), LoseAnswer()]),
        ("index", [LoseAnswer()]),
        ("retrieve", [Reset()]),
        ("count", [Refuse(503)]),
        ("update", [LoseAnswer(), Refuse(503)]),
        ("get", [Refuse(503)]),
        ("change_aliases", [Refuse(503), LoseAnswer()]),
    ],
)
async def test_faults_that_pass_do_not_end_a_load(
    stub: QdrantStub, request_: LoadRequest, operation: str, faults: list[Fault]
) -> None:
    stub.stage(operation, *faults)
    await load(replace(request_, filter_fields=["topic"], access=replace(REST, timeout_s=1)), QUIET)
    check_whole(stub)
    assert not stub.staged(operation)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_says_when_to_come_back_is_heeded(
    stub: QdrantStub, request_: LoadRequest, status: int
) -> None:
    stub.stage("upsert", Refuse(status, retry_after="2"))
    await load(replace(request_, uploads=Uploads(parallel=1, retry_s=20)), QUIET)
    refused, again = stub.calls_of("upsert")[:2]
    assert again.body == refused.body
    assert again.at_s - refused.at_s >= 2
    check_whole(stub)


async def test_a_server_that_wants_longer_than_the_load_will_wait_is_not_waited_for(
    stub: QdrantStub, request_: LoadRequest
) -> None:
    stub.stage("upsert", Refuse(503, retry_after="3600"))
    with pytest.raises(IndexUnavailable, match=r"asked to wait 3,600 s, over --retry-s 20.*the same command"):
        await load(request_, QUIET)


@pytest.mark.parametrize(
    ("fault", "kind", "complaint"),
    [
        (Refuse(400, reason="Wrong input: bad vector"), ConfigurationError, "400 .*Wrong input: bad vector; asking"),
        (Refuse(413), ConfigurationError, "413 .*smaller --batch-points"),
        (Refuse(401), ConfigurationError, "refuses the key; give its own with XQG_QDRANT_API_KEY"),
        (Refuse(403), ConfigurationError, "refuses the key"),
        (Drop(), RunConflict, "404 .*was the collection dropped meanwhile"),
    ],
)
async def test_what_asking_again_cannot_mend_is_said_at_once(
    stub: QdrantStub, request_: LoadRequest, fault: Fault, kind: type[XqgError], complaint: str
) -> None:
    stub.stage("upsert", fault, after=3)
    with pytest.raises(kind, match=complaint):
        await load(replace(request_, uploads=Uploads(parallel=1)), QUIET)
    assert len(stub.calls_of("upsert")) == 4
    assert not stub.engine.points.get_aliases().aliases
    await load(request_, QUIET)  # and once it is mended
    check_whole(stub)


async def test_a_key_that_is_wrong_is_said_and_the_right_one_works(stub: QdrantStub, request_: LoadRequest) -> None:
    stub.api_key = "right"
    with pytest.raises(ConfigurationError, match="refuses the key"):
        await load(replace(request_, access=replace(REST, api_key="wrong")), QUIET)
    await load(replace(request_, access=replace(REST, api_key="right")), QUIET)
    check_whole(stub)


async def test_a_key_that_is_sent_unencrypted_is_warned_of_once(
    stub: QdrantStub, request_: LoadRequest, caplog: pytest.LogCaptureFixture
) -> None:
    stub.api_key = "right"
    await load(replace(request_, access=replace(REST, api_key="right")), QUIET)
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == [f"the key goes to {stub.url} unencrypted: let nobody else into that network, or use https"]


async def test_a_server_that_dies_and_comes_back_is_waited_for(stub: QdrantStub, request_: LoadRequest) -> None:
    stub.stage("upsert", Die(), after=4)

    async def come_back() -> None:
        await until(lambda: not stub.running)
        await asyncio.sleep(0.3)  # calls meet a closed port
        stub.start()

    await asyncio.gather(load(request_, QUIET), come_back())
    check_whole(stub)


async def test_a_server_that_stays_dead_ends_the_load_and_the_same_command_goes_on(
    stub: QdrantStub, request_: LoadRequest
) -> None:
    stub.stage("upsert", Die(), after=6)
    impatient = replace(request_, uploads=Uploads(parallel=2, retry_s=0.5))
    with pytest.raises(IndexUnavailable, match="Run the same command when the server answers"):
        await load(impatient, QUIET)
    (file,) = (request_.vectors / "loads").glob("*/*.marks")
    marked = len(file.read_text().split())
    assert 3 <= marked <= 6
    before = len(stub.calls_of("upsert"))
    stub.start()
    await load(impatient, QUIET)
    again = stub.calls_of("upsert")[before:]
    assert sum(len(call.body["points"]) for call in again) == PASSAGES - SHARD * marked
    check_whole(stub)


async def test_a_collection_that_was_lost_is_filled_from_the_beginning(stub: QdrantStub, request_: LoadRequest) -> None:
    stub.stage("upsert", Die(), after=6)
    with pytest.raises(IndexUnavailable):
        await load(replace(request_, uploads=Uploads(retry_s=0)), QUIET)
    (name,) = stub.collections
    stub.engine.forget(name)
    stub.start()
    before = len(sent(stub))
    await load(request_, QUIET)
    assert len(sent(stub)) - before == PASSAGES
    check_whole(stub)


async def test_a_server_that_forgot_points_is_found_out_and_filled_anew(
    stub: QdrantStub, request_: LoadRequest
) -> None:
    stub.look("red", "no space left on device")
    with pytest.raises(IndexUnavailable, match=r"cannot build the graph .* \(red: no space left on device\)"):
        await load(request_, QUIET)
    (name,) = stub.collections
    stub.engine.points.delete(name, [point_id("7")])
    await load(request_, QUIET)
    check_whole(stub)


async def test_the_graph_is_waited_for_whatever_the_server_calls_its_state(
    stub: QdrantStub, request_: LoadRequest
) -> None:
    for status in ("green", "yellow", "grey", "yellow", "green"):
        stub.look(status)
    await load(request_, QUIET)
    check_whole(stub)
    assert not stub.engine.looks
    nudges = [call for call in stub.calls_of("update") if call.body.get("optimizers_config") is not None]
    assert len(nudges) == 1  # grey waits for an update


@pytest.mark.parametrize(("status", "error"), [("red", None), ("yellow", "optimiser died")])
async def test_a_graph_that_cannot_be_built_is_said_and_costs_no_second_upload(
    stub: QdrantStub, request_: LoadRequest, status: str, error: str | None
) -> None:
    stub.look(status, error)
    with pytest.raises(IndexUnavailable, match=f"cannot build the graph of passages-.*{error or 'see its log'}"):
        await load(request_, QUIET)
    assert not stub.engine.points.get_aliases().aliases
    uploaded = len(sent(stub))
    await load(request_, QUIET)
    assert len(sent(stub)) == uploaded
    check_whole(stub)


async def test_what_another_load_began_is_left_to_it(stub: QdrantStub, request_: LoadRequest, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(request_.vectors, elsewhere)
    stub.stage("upsert", Die(), after=2)
    with pytest.raises(IndexUnavailable):
        await load(replace(request_, uploads=Uploads(retry_s=0)), QUIET)
    stub.start()
    (name,) = stub.collections
    with pytest.raises(RunConflict, match=f"{name} is on the server, unfinished"):
        await load(replace(request_, vectors=elsewhere), QUIET)
    await load(request_, QUIET)
    check_whole(stub)


async def test_a_collection_that_is_no_index_is_not_written_over(stub: QdrantStub, request_: LoadRequest) -> None:
    await load(request_, QUIET)
    (name,) = stub.collections
    stub.engine.forget(name)
    client = connect(stub.url, REST)
    await client.create_collection(name, vectors_config={})
    await client.close()
    with pytest.raises(RunConflict, match=f"--drop {name}"):
        await load(request_, QUIET)
    assert stub.engine.points.get_collection(name).config.metadata is None


async def test_two_loads_of_the_same_vectors_are_one_clear_error(stub: QdrantStub, request_: LoadRequest) -> None:
    stub.stage("upsert", Hang(60))
    first = asyncio.create_task(load(request_, QUIET))
    await until(lambda: bool(stub.calls_of("upsert")))
    with pytest.raises(RunConflict, match=r"another process is loading .* wait for it"):
        await load(request_, QUIET)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_server_that_keeps_no_contract_is_refused_before_the_upload(
    stub: QdrantStub, request_: LoadRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stub.engine, "keeps_metadata", False)
    with pytest.raises(VerificationError, match=r"xQG needs Qdrant 1\.16 or later"):
        await load(request_, QUIET)
    assert not stub.calls_of("upsert")
    assert not stub.collections


def test_workers_load_a_part_each_and_the_last_makes_it_live(
    stub: QdrantStub, request_: LoadRequest, run_offline: Offline
) -> None:
    command = ["load", "--vectors", request_.vectors, "--index", stub.url, "--grpc-port", 0, "--alpha", 0.05]
    with ThreadPoolExecutor(3) as workers:
        done = list(workers.map(lambda part: run_offline(*command, "--shard", f"{part}/3"), (1, 2, 3)))
    assert [worker.returncode for worker in done] == [0, 0, 0], [worker.stderr for worker in done]
    assert sorted(sent(stub)) == sorted(map(str, range(PASSAGES)))  # each passage by one worker, once
    assert len(stub.calls_of("create")) == 1
    told = [worker.stdout for worker in done]
    assert sum("verified and live" in text for text in told) == 1
    others = [text for text in told if "verified and live" not in text]
    assert all("is loaded" in text for text in others)
    check_whole(stub)
    again = run_offline(*command, "--shard", "2/3")
    assert "loaded before, live now" in again.stdout


def test_one_worker_finishes_and_another_of_the_same_load_says_so(stub: QdrantStub, request_: LoadRequest) -> None:
    first, second = (replace(request_, share=Share(number, 2)) for number in (1, 2))
    asyncio.run(load(first, QUIET))
    for _ in range(7):
        stub.look("yellow")
    with ThreadPoolExecutor(1) as worker:
        finishing = worker.submit(asyncio.run, load(second, QUIET))
        while len(stub.engine.looks) == 7:
            assert not finishing.done()
            time.sleep(0.01)
        told = Console(record=True, width=200, file=io.StringIO())
        assert not asyncio.run(load(first, told)).complete
        assert "another worker is finishing" in told.export_text()
        assert finishing.result().complete
    assert len(sent(stub)) == PASSAGES
    check_whole(stub)


def test_a_part_whose_worker_never_came_is_done_by_a_load_without_parts(
    stub: QdrantStub, request_: LoadRequest, run_offline: Offline
) -> None:
    command = ["load", "--vectors", request_.vectors, "--index", stub.url, "--grpc-port", 0, "--alpha", 0.05]
    first = run_offline(*command, "--shard", "2/2")
    assert "5 of 10 shards are missing" in " ".join(first.stdout.split())
    assert not stub.engine.points.get_aliases().aliases
    rest = run_offline(*command)
    assert rest.returncode == 0, rest.stderr
    assert len(sent(stub)) == PASSAGES
    check_whole(stub)


def test_a_load_that_is_killed_goes_on_after_the_last_whole_shard(
    stub: QdrantStub, request_: LoadRequest, run_offline: Offline
) -> None:
    command = ["load", "--vectors", request_.vectors, "--index", stub.url, "--grpc-port", 0, "--alpha", 0.05]
    stub.stage("upsert", *[Hang(60)] * 4, after=5)
    process = subprocess.Popen([sys.executable, "-m", "offline", *map(str, command)], cwd=ROOT)
    while len(stub.calls_of("upsert")) < 9:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    (file,) = (request_.vectors / "loads").glob("*/*.marks")
    marked = len(file.read_text().split())
    assert 2 <= marked <= 5
    before = len(sent(stub))
    resumed = run_offline(*command)
    assert resumed.returncode == 0, resumed.stderr
    assert f"going on after {marked * SHARD:,} passages" in resumed.stdout
    assert len(sent(stub)) - before == PASSAGES - marked * SHARD
    check_whole(stub)
