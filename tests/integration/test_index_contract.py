"""One suite for every engine: Qdrant Edge, the client's in-memory mode, and a real server at QDRANT_URL."""

import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from rich.console import Console

from app.errors import IndexUnavailable, InvalidRequest, NotReady, RunConflict
from app.index import PassageIndex, ServerAccess
from app.index.calls import call
from app.index.filters import Condition, parse_filter
from app.index.server import ServerIndex, connect
from app.passages import Passage
from offline.writers import EdgeStore, ServerStore, Storage
from tests.contracts import IDENTITY, contract
from tests.filled import PASSAGES, VECTORS, Engine, fill

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")

QUIET = Console(quiet=True)
ALONG_FIRST = np.array([1, 0, 0, 0], np.float32)


@pytest.fixture(params=["edge", "memory", "server"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    if request.param == "edge":
        yield Engine(folder=tmp_path / "edge")
        return
    url = os.environ.get("QDRANT_URL")
    if request.param == "server" and not url:
        pytest.skip("set QDRANT_URL to run the suite against a real Qdrant server")
    if request.param == "server":
        client = connect(str(url), ServerAccess(os.environ.get("QDRANT_API_KEY")))
    else:
        client = AsyncQdrantClient(":memory:")
    yield Engine(client=client)
    for collection in (await client.get_collections()).collections:
        if collection.name.startswith("xqgtest"):
            await client.delete_collection(collection.name)
    await client.close()


@pytest.fixture
def alias() -> str:
    return f"xqgtest{uuid.uuid4().hex[:8]}"


async def docids(index: PassageIndex, *conditions: Condition) -> list[str]:
    return [hit.passage.docid for hit in await index.query(ALONG_FIRST, 10, conditions)]


async def test_hits_come_closest_first_and_with_their_queries_where_these_are_wanted(
    engine: Engine, alias: str
) -> None:
    await fill(engine, alias)
    index = await engine.open(alias)
    assert PASSAGES[0].generated_queries
    bare = [replace(passage, generated_queries={}) for passage in PASSAGES[:2]]
    assert [hit.passage for hit in await index.query(ALONG_FIRST, 2)] == bare
    hits = await index.query(ALONG_FIRST, 2, with_queries=True)
    assert [hit.passage for hit in hits] == PASSAGES[:2]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.8], abs=1e-5)
    if engine.folder:
        await index.close()


async def test_similarity_dot_keeps_lengths_and_cosine_does_not(engine: Engine, alias: str) -> None:
    dot = IDENTITY.model_copy(update={"similarity": "dot"})
    await fill(engine, alias, vectors=3 * VECTORS, identity=dot)
    index = await engine.open(alias)
    assert (await index.query(ALONG_FIRST, 1))[0].score == pytest.approx(3.0, abs=1e-5)
    if engine.folder:
        await index.close()


async def test_min_score_leaves_out_what_is_below(engine: Engine, alias: str) -> None:
    await fill(engine, alias)
    index = await engine.open(alias)
    hits = await index.query(ALONG_FIRST, 10, min_score=0.9)
    assert [hit.passage.docid for hit in hits] == ["a/1"]
    if engine.folder:
        await index.close()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"topic": "Arts"}, ["a/1", "ç d"]),  # a list field matches by any of its values
        ({"topic": ["Music", "History"]}, ["b", "ç d"]),
        ({"topic": {"not": "Arts"}}, ["b"]),
        ({"topic": {"not": ["Music", "History"]}}, ["a/1"]),
        ({"year": {"gte": 1900, "lt": 2000}}, ["a/1", "b"]),
        ({"year": {"not": {"gt": 1900}}}, ["a/1"]),
        ({"year": 1950}, ["b"]),
        ({"weight": {"gte": 1}}, ["b"]),
        ({"weight": 0.5}, ["a/1"]),
        ({"open": True}, ["a/1"]),
        ({"open": [True, False]}, ["a/1", "b"]),
        ({"open": {"not": [True, False]}}, ["ç d"]),
        ({"topic": "Arts", "year": {"gt": 1900}}, ["ç d"]),
    ],
)
async def test_filters_hold_together(engine: Engine, alias: str, raw: dict[str, object], expected: list[str]) -> None:
    await fill(engine, alias)
    index = await engine.open(alias)
    assert await docids(index, *parse_filter(raw, index.contract.fields)) == expected
    if engine.folder:
        await index.close()


async def test_a_passage_is_found_by_its_docid_and_an_unknown_one_is_not(engine: Engine, alias: str) -> None:
    await fill(engine, alias)
    index = await engine.open(alias)
    assert await index.passage("ç d") == PASSAGES[2]
    assert await index.passage("nobody") is None
    if engine.folder:
        await index.close()


async def test_writing_a_passage_twice_keeps_one(engine: Engine, alias: str) -> None:
    await fill(engine, alias, passages=[*PASSAGES, PASSAGES[0]], vectors=VECTORS[[0, 1, 2, 0]])
    index = await engine.open(alias)
    assert await index.count() == 3
    if engine.folder:
        await index.close()


async def test_the_alias_moves_to_the_new_collection_and_an_open_index_stays(engine: Engine, alias: str) -> None:
    old = await fill(engine, alias, "old")
    before = await engine.open(alias)
    new = await fill(engine, alias, "new", PASSAGES[:1], VECTORS[:1])
    after = await engine.open(alias)
    assert (before.collection, after.collection) == (old, new)
    assert (await before.count(), await after.count()) == (3, 1)
    assert len(await docids(before)) == 3
    if engine.folder:
        await before.close()
        await after.close()


async def test_the_contract_comes_back_as_it_was_written(engine: Engine, alias: str) -> None:
    collection = await fill(engine, alias)
    index = await engine.open(alias)
    assert (index.collection, index.contract) == (collection, contract())
    if engine.folder:
        await index.close()


async def test_vectors_are_read_back_for_verification(engine: Engine, alias: str) -> None:
    store = engine.store()
    writer = await store.create(f"{alias}-1", contract(complete=False))
    await writer.write(PASSAGES, VECTORS)
    stored = await writer.read_vectors(["ç d", "nobody"])
    assert stored == {"ç d": pytest.approx([0, 0, 0, 1])}  # cosine stores unit vectors
    assert await writer.count() == 3
    await writer.close()
    await engine.release(store)


async def test_a_missing_or_incomplete_index_says_what_to_do(engine: Engine, alias: str) -> None:
    with pytest.raises(NotReady, match="offline build"):
        await engine.open(alias)
    store = engine.store()
    writer = await store.create(f"{alias}-1", contract(complete=False))
    await writer.close()
    await store.publish(alias, f"{alias}-1")
    await engine.release(store)
    with pytest.raises(NotReady, match="is incomplete; run `python -m offline load` again"):
        await engine.open(alias)


async def test_what_was_written_is_there_when_it_is_opened_again(engine: Engine, alias: str) -> None:
    store, name, begun = engine.store(), f"{alias}-1", contract(complete=False)
    writer = await store.create(name, begun)
    await writer.write(PASSAGES[:2], VECTORS[:2])
    await writer.flush()
    await writer.close()
    assert await store.contract(name) == begun
    again = await store.reopen(name, begun)
    assert again is not None
    assert await again.count() == 2
    await again.write(PASSAGES[1:], VECTORS[1:])  # what comes twice is there once
    assert await again.count() == 3
    await again.close()
    await engine.release(store)


async def test_a_store_tells_what_it_holds_and_drops_it(engine: Engine, alias: str) -> None:
    collection = await fill(engine, alias)
    store = engine.store()
    assert await store.live(alias) == collection
    assert await store.aliases(collection) == [alias]
    assert collection in await store.collections()
    other = await store.create(f"{alias}-2", contract(complete=False))
    await other.close()
    assert await store.holds(f"{alias}-2")
    await store.drop(f"{alias}-2")
    assert not await store.holds(f"{alias}-2")
    assert f"{alias}-2" not in await store.collections()
    assert await store.contract(f"{alias}-2") is None
    await engine.release(store)


async def test_how_a_collection_is_kept_does_not_change_what_is_found(engine: Engine, alias: str) -> None:
    await fill(engine, alias, storage=Storage("int8", on_disk=True, hnsw_m=8, hnsw_ef_construct=64))
    index = await engine.open(alias)
    hits = await index.query(ALONG_FIRST, 3)
    assert [hit.passage.docid for hit in hits] == ["a/1", "b", "ç d"]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 0.8, 0.0], abs=1e-5)
    if engine.folder:
        await index.close()


async def test_a_vector_of_another_dimension_is_an_error_and_no_answer(engine: Engine, alias: str) -> None:
    await fill(engine, alias)
    index = await engine.open(alias)
    with pytest.raises(IndexUnavailable):
        await index.query(np.ones(5, np.float32), 1)
    if engine.folder:
        await index.close()


async def test_an_edge_folder_serves_one_process_and_says_so(tmp_path: Path) -> None:
    engine = Engine(folder=tmp_path)
    await fill(engine, "passages")
    first = await engine.open("passages")
    with pytest.raises(NotReady, match=r"another process has .* open, and an Edge index serves one"):
        await engine.open("passages")
    await first.close()


async def test_two_loads_into_one_edge_folder_are_refused(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path, Storage())
    with pytest.raises(RunConflict, match="another load is writing"):
        EdgeStore(tmp_path, Storage())
    await store.close()


async def test_a_build_that_a_service_has_open_is_not_dropped(tmp_path: Path) -> None:
    engine = Engine(folder=tmp_path)
    collection = await fill(engine, "passages")
    index, store = await engine.open("passages"), engine.store()
    with pytest.raises(RunConflict, match=r"another process has .* open; stop that service first"):
        await store.drop(collection)
    await index.close()
    await store.drop(collection)
    await store.close()


async def test_a_quantised_edge_index_scores_with_the_vectors_themselves(tmp_path: Path) -> None:
    engine, random = Engine(folder=tmp_path), np.random.default_rng(0)
    size = 6000  # 12 MB of vectors: below 10 the engine quantises nothing
    vectors = random.normal(size=(size, 512)).astype(np.float32)
    wide = IDENTITY.model_copy(update={"dimension": 512})
    passages = [Passage(str(number), "", "text") for number in range(size)]
    await fill(engine, "passages", passages=passages, vectors=vectors, identity=wide, storage=Storage("int8", hnsw_m=4))
    assert list((tmp_path / "passages").resolve().rglob("quantized.data"))
    index = await engine.open("passages")
    question = random.normal(size=512).astype(np.float32)
    cosines = vectors @ question / np.linalg.norm(vectors, axis=1) / np.linalg.norm(question)
    for hit in await index.query(question, 10):
        assert hit.score == pytest.approx(cosines[int(hit.passage.docid)], abs=1e-5)
    await index.close()


async def test_a_folder_in_the_place_of_the_alias_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "passages").mkdir()
    store = EdgeStore(tmp_path, Storage())
    with pytest.raises(RunConflict, match="is no link made by a load"):
        await store.live("passages")  # asked before anything is written
    await store.close()


async def test_a_collection_in_the_place_of_the_alias_is_left_alone() -> None:
    client = AsyncQdrantClient(":memory:")
    store = ServerStore(client, Path("unused"), Storage(), QUIET)
    await store.create("passages", contract())
    with pytest.raises(RunConflict, match="give another --collection"):
        await store.live("passages")
    await client.close()


@pytest.mark.parametrize("grpc_port", [0, 9])
async def test_a_server_that_is_not_there_is_unavailable(grpc_port: int) -> None:
    client = connect("http://127.0.0.1:9", ServerAccess(grpc_port=grpc_port, timeout_s=2))
    with pytest.raises(IndexUnavailable, match="XQG_QDRANT_GRPC_PORT" if grpc_port else "does not answer"):
        await ServerIndex.open(client, "passages")
    await client.close()


def nested(wrap: Callable[[Any], Any], value: Any = 5) -> Any:
    """Deeper than Python calls functions; from Python 3.12 on, its JSON parser reads that."""
    for _ in range(2 * sys.getrecursionlimit()):
        value = wrap(value)
    return value


def test_filters_are_checked_against_the_declared_fields() -> None:
    fields = contract().fields
    for raw, complaint in [
        ({"colour": "red"}, "unknown field 'colour'; known are: open, topic, weight, year"),
        ({"topic": 5}, "topic is a keyword field; 5 does not fit"),
        ({"year": "1900"}, "year is a integer field; '1900' does not fit"),
        ({"year": True}, "True does not fit"),
        ({"open": 1}, "1 does not fit"),
        ({"topic": {"gte": 1}}, "a range takes gt, gte, lt, lte on numbers"),
        ({"year": {"from": 1}}, "a range takes"),
        ({"year": {}}, "a range takes"),
        ({"topic": []}, "an empty list"),
        ({"weight": [0.5, 1.5]}, "give a range"),
        ({"topic": None}, "None does not fit"),
        ({"topic": "half \ud800"}, "not Unicode"),
        ({"weight": float("nan")}, "finite"),
        ({"weight": {"gte": float("inf")}}, "finite"),
        ({"year": 10**30}, "64 bits"),
        ({"year": {"gte": 10**400}}, "64 bits"),
        ({"topic": 10**5000}, "the value does not fit"),
        ({"topic": nested(lambda inner: [inner])}, "the value does not fit"),
        ({"topic": nested(lambda inner: {"not": inner})}, "5 does not fit"),
    ]:
        with pytest.raises(InvalidRequest) as caught:
            parse_filter(raw, fields)
        assert complaint in str(caught.value)
    with pytest.raises(InvalidRequest, match="without --filter-field"):
        parse_filter({"topic": "Arts"}, {})


def test_a_condition_may_be_turned_round_any_number_of_times() -> None:
    once, twice = ({"topic": nested(lambda inner: {"not": inner}, start)} for start in ({"not": "Arts"}, "Arts"))
    assert parse_filter(once, contract().fields) == [Condition("topic", ("Arts",), negated=True)]
    assert parse_filter(twice, contract().fields) == [Condition("topic", ("Arts",))]


async def test_a_server_that_limits_the_rate_says_when_to_come_back() -> None:
    async def limited() -> None:
        raise ResourceExhaustedResponse("slow down", retry_after_s=7)

    with pytest.raises(IndexUnavailable) as caught:
        await call(limited())
    assert caught.value.retry_after_s == 7
