"""load: what must be true before the alias moves, with an index whose faults the test stages."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from app.errors import InputError, RunConflict, VerificationError
from app.index import IndexContract
from app.passages import Passage
from app.vectors import Vectors
from offline.load import LoadRequest, load, load_into
from offline.marks import LoadMarks
from offline.run import Run, RunManifest
from offline.share import Share
from offline.writers import Storage
from tests.conftest import SMALL_PASSAGES, Built

QUIET = Console(quiet=True)
SHARD = 16
"""Passages in each of the three shards of the run."""


class Killed(BaseException):
    """The process ends here."""


class StagedStore:
    """A ``CollectionStore`` in memory, and the writer of each of its collections; ``fault`` names what goes wrong."""

    parallel = 1

    def __init__(self, state: Path, fault: str = "") -> None:
        self.state = state
        self.fault = fault
        self.calls: list[str] = []
        self.contracts: dict[str, IndexContract] = {}
        self.stored: dict[str, dict[str, Vectors]] = {}
        self.passages: list[Passage] = []
        self.alias: dict[str, str] = {}
        self.collection = ""

    async def live(self, alias: str) -> str | None:
        return self.alias.get(alias)

    async def aliases(self, collection: str) -> list[str]:
        return [alias for alias, behind in self.alias.items() if behind == collection]

    async def collections(self) -> list[str]:
        return list(self.contracts)

    async def holds(self, collection: str) -> bool:
        return collection in self.contracts

    async def contract(self, collection: str) -> IndexContract | None:
        return None if self.fault == "keeps no contract" else self.contracts.get(collection)

    def owns(self, contract: IndexContract | None) -> bool:
        return self.fault != "belongs to another load"

    def marks_folder(self, collection: str, contract: IndexContract) -> Path:
        return self.state / contract.build_id

    async def reserve(self, collection: str, payload_bytes: int, contract: IndexContract) -> None:
        self.calls.append("reserve")

    async def create(self, collection: str, contract: IndexContract) -> "StagedStore":
        self.calls.append("create")
        self.collection = collection
        self.contracts[collection] = contract
        self.stored[collection], self.passages = {}, []
        return self

    async def reopen(self, collection: str, contract: IndexContract) -> "StagedStore | None":
        self.calls.append("reopen")
        self.collection, self.passages = collection, []
        return None if self.fault == "is damaged" else self

    async def drop(self, collection: str) -> None:
        self.calls.append("drop")
        del self.contracts[collection]

    async def write(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        self.calls.append("write")
        stored = self.stored[self.collection]
        for passage, vector in zip(passages, vectors, strict=True):
            self.passages.append(passage)
            stored[passage.docid] = vector / np.linalg.norm(vector)
        if self.fault == "loses a passage" and len(stored) == SMALL_PASSAGES:
            stored.pop(self.passages[1].docid)
        if self.fault == "alters vectors":
            self.stored[self.collection] = {docid: -vector for docid, vector in stored.items()}
        if self.fault == "is killed in the third shard" and len(stored) > 2 * SHARD:
            raise Killed

    async def flush(self) -> None:
        self.calls.append("flush")

    async def build_graph(self) -> None:
        self.calls.append("graph")

    async def complete(self, contract: IndexContract) -> None:
        self.calls.append("complete")
        self.contracts[self.collection] = contract

    async def count(self) -> int:
        self.calls.append("count")
        return len(self.stored[self.collection])

    async def read_vectors(self, docids: Sequence[str]) -> dict[str, list[float]]:
        self.calls.append("read")
        stored = self.stored[self.collection]
        return {docid: stored[docid].tolist() for docid in docids if docid in stored}

    async def publish(self, alias: str, collection: str) -> None:
        self.calls.append("publish")
        self.alias[alias] = collection

    async def close(self) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> StagedStore:
    return StagedStore(tmp_path)


def manifest_of(built: Built) -> RunManifest:
    manifest = Run(built.vectors).manifest()
    assert manifest is not None
    return manifest


async def load_built(store: StagedStore, built: Built, **options: object) -> IndexContract:
    request = LoadRequest(built.vectors, "edge:unused", "passages", **({"alpha": 0.05} | options))  # type: ignore[arg-type]
    return await load_into(store, request, Run(built.vectors), manifest_of(built), QUIET)


async def test_the_alias_moves_last_when_all_is_verified(store: StagedStore, built: Built) -> None:
    contract = await load_built(store, built)
    filling = [call for call in store.calls if call != "flush"]  # how often depends on what it costs
    assert filling == [
        *["reserve", "create", *["write", "read"] * 3],
        *["count", "graph", "count", "complete", "publish"],
    ]
    assert store.calls.index("count") - 1 == len(store.calls) - 1 - store.calls[::-1].index("flush")
    assert contract.complete
    assert contract == store.contracts[store.alias["passages"]]
    assert not store.marks_folder("", contract).exists()


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("loses a passage", f"holds {SMALL_PASSAGES - 1} passages instead of {SMALL_PASSAGES}"),
        ("alters vectors", "holds another vector"),
        ("keeps no contract", "needs Qdrant 1.16"),
    ],
)
async def test_an_index_that_is_not_what_was_written_never_goes_live(
    store: StagedStore, built: Built, fault: str, complaint: str
) -> None:
    store.fault = fault
    with pytest.raises(VerificationError, match=complaint):
        await load_built(store, built)
    assert store.alias == {}
    assert not any(contract.complete for contract in store.contracts.values())


async def test_queries_are_kept_unless_told_otherwise(store: StagedStore, built: Built) -> None:
    assert (await load_built(store, built)).keeps_queries
    assert all(passage.generated_queries for passage in store.passages)
    assert not (await load_built(store, built, keep_queries=False)).keeps_queries
    assert not any(passage.generated_queries for passage in store.passages)


async def test_every_option_that_changes_the_content_makes_another_collection(store: StagedStore, built: Built) -> None:
    for options in (
        {},
        {"alpha": 0.02},
        {"keep_queries": False},
        {"filter_fields": ["topic"]},
        {"storage": Storage("int8")},
    ):
        await load_built(store, built, **options)
    assert len(store.contracts) == 5


async def test_rebuilds_never_write_over_what_is_whole_or_live_and_the_newest_counts(
    store: StagedStore, built: Built
) -> None:
    await load_built(store, built)
    name = store.alias["passages"]
    for number in range(2, 13):
        await load_built(store, built, rebuild=True)
        assert store.alias["passages"] == f"{name}-{number}"
    store.calls.clear()
    await load_built(store, built)
    assert store.calls == ["reopen", "count"]  # live already
    store.calls.clear()
    store.alias["passages"] = "something-else"
    await load_built(store, built)
    assert (store.calls, store.alias["passages"]) == (["reopen", "count", "publish"], f"{name}-12")


async def test_what_is_live_is_not_written_over_even_if_its_contract_is_lost(store: StagedStore, built: Built) -> None:
    await load_built(store, built)
    name = store.alias["passages"]
    del store.contracts[name]
    await load_built(store, built)
    assert store.alias["passages"] == f"{name}-2"


def test_a_shard_of_another_run_or_of_other_rows_is_missing(built: Built, tmp_path: Path) -> None:
    run, manifest = Run(built.vectors), manifest_of(built)
    assert run.missing_shards(manifest) == []
    assert run.missing_shards(manifest.model_copy(update={"run_id": "another"})) == [0, 1, 2]
    assert run.missing_shards(manifest.model_copy(update={"shard_size": 17})) == [0, 1, 2]


async def test_a_killed_load_goes_on_after_what_it_marked(store: StagedStore, built: Built) -> None:
    store.fault = "is killed in the third shard"
    with pytest.raises(Killed):
        await load_built(store, built)
    (begun,) = store.contracts.values()
    marked = LoadMarks(store.marks_folder("", begun), Share(), SHARD).shards()
    assert 0 in marked
    assert 2 not in marked
    store.fault = ""
    contract = await load_built(store, built)
    assert "reopen" in store.calls
    assert len(store.passages) == SMALL_PASSAGES - SHARD * len(marked)
    assert contract == begun.model_copy(update={"complete": True})
    assert store.alias["passages"] in store.contracts


@pytest.mark.parametrize("fault", ["is damaged", "has lost passages"])
async def test_marks_of_what_is_gone_are_not_trusted(store: StagedStore, built: Built, fault: str) -> None:
    store.fault = "is killed in the third shard"
    with pytest.raises(Killed):
        await load_built(store, built)
    (begun,) = store.contracts.values()
    store.fault = fault
    if fault == "has lost passages":
        store.stored[store.collection].clear()
    contract = await load_built(store, built)
    assert len(store.passages) == SMALL_PASSAGES
    assert contract.build_id != begun.build_id


async def test_marks_of_a_collection_that_was_dropped_mean_nothing_to_the_next_of_its_name(
    store: StagedStore, built: Built
) -> None:
    store.fault = "is killed in the third shard"
    with pytest.raises(Killed):
        await load_built(store, built)
    store.fault = ""
    await store.drop(store.collection)
    await load_built(store, built)
    assert len(store.passages) == SMALL_PASSAGES


async def test_what_another_process_wrote_is_read_back_too(store: StagedStore, built: Built) -> None:
    store.fault = "is killed in the third shard"
    with pytest.raises(Killed):
        await load_built(store, built)
    store.fault = ""
    stored = store.stored[store.collection]
    for docid, vector in stored.items():
        stored[docid] = -vector
    with pytest.raises(VerificationError, match="another vector"):
        await load_built(store, built)
    assert store.alias == {}
    await load_built(store, built)  # it is begun anew, as its marks were wrong
    assert len(store.passages) == SMALL_PASSAGES


async def test_the_worker_that_loads_the_last_part_makes_the_index_live(store: StagedStore, built: Built) -> None:
    for part in ("3/3", "1/3"):
        assert not (await load_built(store, built, share=Share.parse(part))).complete
        assert len(store.passages) == SHARD
        assert store.alias == {}
    assert (await load_built(store, built, share=Share.parse("2/3"))).complete
    assert len(store.passages) == SHARD
    assert list(store.alias.values()) == list(store.contracts)


async def test_without_a_part_a_load_does_what_the_parts_left(store: StagedStore, built: Built) -> None:
    await load_built(store, built, share=Share.parse("1/3"))
    assert (await load_built(store, built)).complete
    assert len(store.passages) == 2 * SHARD


async def test_a_part_that_is_being_loaded_is_refused(store: StagedStore, built: Built) -> None:
    refused: list[str] = []

    class Nested(StagedStore):
        async def write(self, passages: Sequence[Passage], vectors: Vectors) -> None:
            for part in ("1/2", "1/1", "1/3"):
                with pytest.raises(RunConflict, match="another process is loading"):
                    await load_built(store, built, share=Share.parse(part))
                refused.append(part)
            raise Killed

    nested = Nested(store.state)
    store.contracts, store.stored = nested.contracts, nested.stored
    with pytest.raises(Killed):
        await load_built(nested, built, share=Share.parse("1/2"))
    assert refused == ["1/2", "1/1", "1/3"]


async def test_what_another_load_left_unfinished_is_not_touched(store: StagedStore, built: Built) -> None:
    store.fault = "is killed in the third shard"
    with pytest.raises(Killed):
        await load_built(store, built)
    store.fault = "belongs to another load"
    (name,), (contract,) = store.contracts, store.contracts.values()
    with pytest.raises(RunConflict, match=f"{name} is on the server, unfinished.*--drop {name}"):
        await load_built(store, built)
    assert store.contracts == {name: contract}
    await load_built(store, built, rebuild=True)
    assert store.alias["passages"] == f"{name}-2"
    assert store.contracts[name] == contract


def test_a_mark_that_a_crash_cut_does_not_count(tmp_path: Path) -> None:
    marks, others = LoadMarks(tmp_path, Share(1, 2), 512), LoadMarks(tmp_path, Share(2, 2), 512)
    marks.claim()
    marks.add([3, 120])
    others.add([7])
    (file,) = tmp_path.glob("1-of-2*")
    file.write_bytes(file.read_bytes().removesuffix(b"0."))
    assert marks.shards() == {3, 7}
    marks.add([5])
    assert marks.shards() == others.shards() == {3, 5, 7}


def test_marks_of_shards_of_another_size_are_none_to_go_on_with(tmp_path: Path) -> None:
    marks = LoadMarks(tmp_path, Share(), 512)
    marks.claim()
    assert not marks.begun
    marks.begin()
    assert marks.begun
    assert not LoadMarks(tmp_path, Share(), 100).begun
    marks.void()
    assert not marks.begun


async def test_a_run_of_incomplete_input_is_loaded_on_request_alone(built: Built, tmp_path: Path) -> None:
    vectors = tmp_path / "vectors"
    shutil.copytree(built.vectors, vectors)
    manifest = manifest_of(built)
    partial = manifest.model_copy(update={"report": replace(manifest.report, augmented_passages=40)})
    (vectors / "run.json").write_text(partial.model_dump_json())
    request = LoadRequest(vectors, f"edge:{tmp_path / 'index'}", "passages")
    with pytest.raises(InputError, match="8 of 48 passages have no generated queries"):
        await load(request, QUIET)
    await load(replace(request, allow_partial=True), QUIET)
