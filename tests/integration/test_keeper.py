"""The keeper follows its alias: on a real Edge folder, and on a server over a real socket."""

import asyncio
import logging
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge

from app.errors import NotReady, XqgError
from app.index import IndexLocation, ServerAccess
from app.index.server import connect
from app.index.source import index_source
from app.keeper import IndexKeeper
from tests.contracts import BUNDLE, IDENTITY, contract
from tests.filled import PASSAGES, VECTORS, Engine, fill
from tests.qdrant_stub import QdrantStub, running_stub

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")

REST = ServerAccess(grpc_port=0)
QUESTION = np.array([1, 0, 0, 0], np.float32)


@dataclass
class Place:
    """Where indexes are filled, and how a service finds them."""

    engine: Engine
    location: str
    stub: QdrantStub | None = None

    @asynccontextmanager
    async def kept(self, watch_s: float = 0.02, access: ServerAccess = REST) -> AsyncIterator[IndexKeeper]:
        source = index_source(IndexLocation.parse(self.location), "passages", access)
        keeper = IndexKeeper(BUNDLE, source, retry_s=0.02, watch_s=watch_s)
        await keeper.start()
        try:
            yield keeper
        finally:
            await keeper.close()


@asynccontextmanager
async def on_a_server() -> AsyncIterator[Place]:
    with running_stub() as stub:
        client = connect(stub.url, REST)
        yield Place(Engine(client=client), stub.url, stub)
        await client.close()


@pytest.fixture(params=["edge", "server"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "edge":
        yield Place(Engine(folder=tmp_path), f"edge:{tmp_path}")
        return
    async with on_a_server() as place:
        yield place


@pytest.fixture
async def server() -> AsyncIterator[Place]:
    async with on_a_server() as place:
        yield place


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return Place(Engine(folder=tmp_path), f"edge:{tmp_path}")


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110, what is waited for tells nobody
        await asyncio.sleep(0.005)


def serves(keeper: IndexKeeper, collection: str) -> Callable[[], bool]:
    return lambda: keeper.is_open and keeper.index.collection == collection


async def test_a_lease_stays_on_its_index_while_the_alias_moves(place: Place) -> None:
    old = await fill(place.engine, "passages", "old", build_id="1")
    async with place.kept() as keeper:
        with keeper.lease() as index:
            new = await fill(place.engine, "passages", "new", PASSAGES[:1], VECTORS[:1], build_id="2")
            await until(serves(keeper, new))
            assert index.collection == old
            assert len(await index.query(QUESTION, 10)) == await index.count() == 3
            with keeper.lease() as successor:
                assert len(await successor.query(QUESTION, 10)) == await successor.count() == 1


async def test_an_index_that_nobody_uses_any_more_is_closed_and_not_before(folder: Place, tmp_path: Path) -> None:
    await fill(folder.engine, "passages", "old")

    def is_free() -> bool:
        """Whether another could open it: an open shard is locked."""
        try:
            qdrant_edge.EdgeShard.load(str(tmp_path / "passages-old" / "shard")).close()
        except Exception:
            return False
        return True

    async with folder.kept() as keeper:

        async def hold() -> None:
            with keeper.lease():
                await asyncio.Event().wait()

        holders = [asyncio.create_task(hold()) for _ in range(2)]
        await asyncio.sleep(0)
        await until(serves(keeper, await fill(folder.engine, "passages", "new", build_id="2")))
        for holder in holders:
            assert not is_free()
            holder.cancel()
            await asyncio.gather(holder, return_exceptions=True)
        await until(is_free)


async def test_an_index_of_another_encoder_is_refused_and_the_old_one_goes_on(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    old = await fill(place.engine, "passages", "old")
    async with place.kept() as keeper:
        other = IDENTITY.model_copy(update={"revision": "another"})
        caplog.set_level(logging.ERROR, "app.keeper")
        await fill(place.engine, "passages", "other", identity=other)
        await until(lambda: keeper.refused is not None)
        assert "revision is 'another' in the index and 'local' in the bundle" in str(keeper.refused)
        await asyncio.sleep(0.2)  # several looks
        with keeper.lease() as index:
            assert index.collection == old
            assert len(await index.query(QUESTION, 10)) == 3
        (said,) = caplog.messages
        assert f"{old} goes on, and its successor is refused: the index passages-other was not built by" in said
        new = await fill(place.engine, "passages", "new")
        await until(serves(keeper, new))
        assert keeper.refused is None


async def test_an_incomplete_index_is_refused_and_one_goes_back_by_moving_the_alias_back(place: Place) -> None:
    old = await fill(place.engine, "passages", "old")
    async with place.kept() as keeper:
        await fill(place.engine, "passages", "begun", build_id="2", complete=False)
        await until(lambda: "passages-begun is incomplete" in str(keeper.refused))
        assert keeper.index.collection == old
        await until(serves(keeper, await fill(place.engine, "passages", "whole", build_id="3")))
        store = place.engine.store()
        await store.publish("passages", old)
        await place.engine.release(store)
        await until(serves(keeper, old))


async def test_an_index_that_lost_passages_is_refused(place: Place) -> None:
    old = await fill(place.engine, "passages", "old")
    async with place.kept() as keeper:
        store, said = place.engine.store(), contract(passages=7, build_id="2")
        writer = await store.create("passages-short", said)
        await writer.write(PASSAGES, VECTORS)
        await writer.flush()
        await writer.close()
        await store.publish("passages", "passages-short")
        await place.engine.release(store)
        await until(lambda: keeper.refused is not None)
        assert keeper.refused == "passages-short holds 3 passages, not 7; load with --rebuild"
        assert keeper.index.collection == old


async def test_a_damaged_folder_is_refused(folder: Place, tmp_path: Path) -> None:
    old = await fill(folder.engine, "passages", "old")
    async with folder.kept() as keeper:
        (tmp_path / "passages-bad" / "shard").mkdir(parents=True)
        (tmp_path / "passages-bad" / "contract.json").write_text(contract(build_id="2").model_dump_json())
        store = folder.engine.store()
        await store.publish("passages", "passages-bad")
        await store.close()
        await until(lambda: "Qdrant Edge cannot open" in str(keeper.refused))
        assert keeper.index.collection == old


async def test_a_folder_over_which_the_engine_panics_is_refused_and_its_successor_served(
    folder: Place, tmp_path: Path
) -> None:
    old = await fill(folder.engine, "passages", "old", build_id="1")
    shutil.copytree(tmp_path / old, tmp_path / "passages-torn")
    (tmp_path / "passages-torn" / "contract.json").write_text(contract(build_id="2").model_dump_json())
    for file in (tmp_path / "passages-torn").rglob("vectors/status.dat"):
        file.write_bytes(b"")
    async with folder.kept() as keeper:
        store = folder.engine.store()
        await store.publish("passages", "passages-torn")
        await store.close()
        await until(lambda: "Qdrant Edge cannot open" in str(keeper.refused))
        assert keeper.index.collection == old
        new = await fill(folder.engine, "passages", "new", build_id="3")
        await until(serves(keeper, new))


async def test_an_open_folder_that_is_renamed_or_removed_is_served_until_another_is_in_its_place(
    folder: Place, tmp_path: Path
) -> None:
    await fill(folder.engine, "passages", "1", build_id="1")
    async with folder.kept() as keeper:
        with keeper.lease() as index:
            (tmp_path / "passages-1").rename(tmp_path / "away")
            await until(lambda: "there is no index passages" in str(keeper.refused))
            assert len(await index.query(QUESTION, 10)) == 3
            shutil.rmtree(tmp_path / "away")
            assert await index.passage("ç d") == PASSAGES[2]
        assert keeper.is_open
        await fill(folder.engine, "passages", "1", PASSAGES[:2], VECTORS[:2], build_id="2")  # under the same name
        await until(lambda: keeper.index.contract.build_id == "2")
        with keeper.lease() as index:
            assert len(await index.query(QUESTION, 10)) == 2


async def test_a_collection_that_was_dropped_is_let_go_and_picked_up_when_it_is_back(server: Place) -> None:
    assert server.stub is not None
    await fill(server.engine, "passages")
    async with server.kept() as keeper:
        with keeper.lease() as index:
            server.stub.engine.forget("passages-1")  # the server forgets its alias as well
            with pytest.raises(XqgError, match="passages-1 is no longer on the server; run `python -m offline"):
                await index.query(QUESTION, 1)
        await until(lambda: not keeper.is_open)
        with pytest.raises(NotReady, match=r"no longer on the server|no collection or alias"), keeper.lease():
            pass
        await fill(server.engine, "passages")
        await until(serves(keeper, "passages-1"))


async def test_a_collection_that_is_being_filled_anew_under_its_name_is_not_served_half(server: Place) -> None:
    assert server.stub is not None
    await fill(server.engine, "passages")
    async with server.kept() as keeper:
        server.stub.engine.forget("passages-1")
        store = server.engine.store()
        await store.create("passages-1", contract(complete=False, build_id="2"))
        await store.publish("passages", "passages-1")
        await until(lambda: not keeper.is_open)
        with pytest.raises(NotReady), keeper.lease():
            pass


async def test_without_a_watch_the_first_index_stays(folder: Place, tmp_path: Path) -> None:
    old = await fill(folder.engine, "passages", "old")
    async with folder.kept(watch_s=0) as keeper:
        await fill(folder.engine, "passages", "new", build_id="2")
        await asyncio.sleep(0.2)
        assert keeper.index.collection == old


async def test_a_server_that_hangs_does_not_hold_up_the_start() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = Place(Engine(), f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with place.kept(access=ServerAccess(grpc_port=0, timeout_s=60)) as keeper:
            with pytest.raises(NotReady, match="is being opened"), keeper.lease():
                pass
