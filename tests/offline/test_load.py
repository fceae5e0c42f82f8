"""load: what must be true before the alias moves, with an index whose faults the test stages."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from app.errors import VerificationError
from app.index import IndexContract
from app.passages import Passage
from app.vectors import Vectors
from offline.load import LoadRequest, write_index
from offline.run import Run
from tests.conftest import SMALL_PASSAGES, Built

QUIET = Console(quiet=True)


class StagedWriter:
    """A ``CollectionWriter`` in memory; ``fault`` names what it does wrong."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.calls: list[str] = []
        self.contracts: dict[str, IndexContract] = {}
        self.stored: dict[str, Vectors] = {}
        self.passages: list[Passage] = []
        self.aliases: dict[str, str] = {}
        self.collection = ""

    async def live(self, alias: str) -> str | None:
        return self.aliases.get(alias)

    async def contract(self, collection: str) -> IndexContract | None:
        return None if self.fault == "keeps no contract" else self.contracts.get(collection)

    async def reserve(self, payload_bytes: int, contract: IndexContract) -> None:
        self.calls.append("reserve")

    async def begin(self, collection: str, contract: IndexContract) -> None:
        self.calls.append("begin")
        self.collection = collection
        self.contracts[collection] = contract
        self.stored, self.passages = {}, []

    async def write(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        self.calls.append("write")
        for passage, vector in zip(passages, vectors, strict=True):
            self.passages.append(passage)
            self.stored[passage.docid] = vector / np.linalg.norm(vector)
        if self.fault == "loses a passage" and len(self.stored) == SMALL_PASSAGES:
            self.stored.pop(self.passages[1].docid)
        if self.fault == "alters vectors":
            self.stored = {docid: -vector for docid, vector in self.stored.items()}

    async def finish(self, contract: IndexContract) -> None:
        self.calls.append("finish")
        self.contracts[self.collection] = contract

    async def count(self) -> int:
        self.calls.append("count")
        return len(self.stored)

    async def read_vectors(self, docids: Sequence[str]) -> dict[str, list[float]]:
        self.calls.append("read")
        return {docid: self.stored[docid].tolist() for docid in docids if docid in self.stored}

    async def publish(self, alias: str, collection: str) -> None:
        self.calls.append("publish")
        self.aliases[alias] = collection

    async def close(self) -> None: ...


async def load_into(writer: StagedWriter, built: Built, **options: object) -> IndexContract:
    run = Run(built.vectors)
    manifest = run.manifest()
    assert manifest is not None
    request = LoadRequest(built.vectors, "edge:unused", "passages", **({"alpha": 0.05} | options))  # type: ignore[arg-type]
    return await write_index(request, run, manifest, writer, QUIET)


async def test_the_alias_moves_last_when_all_is_verified(built: Built) -> None:
    writer = StagedWriter()
    contract = await load_into(writer, built)
    order = [call for number, call in enumerate(writer.calls) if call != writer.calls[number - 1]]
    assert order == ["reserve", "begin", *["write", "read"] * 3, "count", "finish", "publish"]
    assert contract.complete
    assert contract == writer.contracts[writer.aliases["passages"]]


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("loses a passage", f"holds {SMALL_PASSAGES - 1} passages instead of {SMALL_PASSAGES}"),
        ("alters vectors", "holds another vector"),
        ("keeps no contract", "needs Qdrant 1.16"),
    ],
)
async def test_an_index_that_is_not_what_was_written_never_goes_live(built: Built, fault: str, complaint: str) -> None:
    writer = StagedWriter(fault)
    with pytest.raises(VerificationError, match=complaint):
        await load_into(writer, built)
    assert writer.aliases == {}
    assert not any(contract.complete for contract in writer.contracts.values())


async def test_queries_are_kept_unless_told_otherwise(built: Built) -> None:
    writer = StagedWriter()
    assert (await load_into(writer, built)).keeps_queries
    assert all(passage.generated_queries for passage in writer.passages)
    assert not (await load_into(writer, built, keep_queries=False)).keeps_queries
    assert not any(passage.generated_queries for passage in writer.passages)


async def test_every_option_that_changes_the_content_makes_another_collection(built: Built) -> None:
    writer = StagedWriter()
    for options in ({}, {"alpha": 0.02}, {"keep_queries": False}, {"filter_fields": ["topic"]}):
        await load_into(writer, built, **options)
    assert len(writer.contracts) == 4


async def test_rebuilds_never_write_over_what_is_whole_or_live_and_the_newest_counts(built: Built) -> None:
    writer = StagedWriter()
    await load_into(writer, built)
    name = writer.aliases["passages"]
    for number in range(2, 13):
        await load_into(writer, built, rebuild=True)
        assert writer.aliases["passages"] == f"{name}-{number}"
    writer.calls.clear()
    await load_into(writer, built)
    assert writer.calls == []  # live already
    writer.aliases["passages"] = "something-else"
    await load_into(writer, built)
    assert (writer.calls, writer.aliases["passages"]) == (["publish"], f"{name}-12")


async def test_what_is_live_is_not_written_over_even_if_its_contract_is_lost(built: Built) -> None:
    writer = StagedWriter()
    await load_into(writer, built)
    name = writer.aliases["passages"]
    del writer.contracts[name]
    await load_into(writer, built)
    assert writer.aliases["passages"] == f"{name}-2"


def test_a_shard_of_another_run_or_of_other_rows_is_missing(built: Built, tmp_path: Path) -> None:
    run = Run(built.vectors)
    manifest = run.manifest()
    assert manifest is not None
    assert run.missing_shards(manifest) == []
    assert run.missing_shards(manifest.model_copy(update={"run_id": "another"})) == [0, 1, 2]
    assert run.missing_shards(manifest.model_copy(update={"shard_size": 17})) == [0, 1, 2]
