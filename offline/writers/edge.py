"""Write a Qdrant Edge folder; the layout is told in ``app/index/edge.py``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge

from app.errors import IndexUnavailable
from app.index.contract import FieldType, IndexContract
from app.index.edge import BOOLS_KEY, CONTRACT_FILE, SHARD_FOLDER, bool_words, engine_call
from app.passages import METADATA_KEY, Passage, point_id, to_payload
from app.vectors import Vectors
from offline.files import write_atomically
from offline.writers.protocol import Storage

T = TypeVar("T")

_DISTANCE = {"cosine": qdrant_edge.Distance.Cosine, "dot": qdrant_edge.Distance.Dot}
_SCHEMA: dict[FieldType, qdrant_edge.PayloadSchemaType] = {
    "keyword": qdrant_edge.PayloadSchemaType.Keyword,
    "integer": qdrant_edge.PayloadSchemaType.Integer,
    "float": qdrant_edge.PayloadSchemaType.Float,
    "bool": qdrant_edge.PayloadSchemaType.Keyword,  # stored as words, see BOOLS_KEY
}
_FULL_SCAN_KB = 10_000  # the engine's own default, which cannot be left out beside others


class EdgeWriter:
    """A ``CollectionWriter`` on the folder of one collection."""

    parallel = 1  # the engine is in this process, and has one writer

    def __init__(self, home: Path, shard: qdrant_edge.EdgeShard, contract: IndexContract) -> None:
        self._home = home
        self._shard = shard
        self._bool_fields = [field for field, kind in contract.fields.items() if kind == "bool"]

    @classmethod
    def create(cls, home: Path, contract: IndexContract, storage: Storage) -> "EdgeWriter":
        """An empty collection; the contract comes first, so that what a crash leaves has one."""
        (home / SHARD_FOLDER).mkdir(parents=True)
        write_atomically(home / CONTRACT_FILE, contract.model_dump_json(indent=1))
        config = _config(contract, storage)
        shard = engine_call(
            f"cannot create {home}", lambda: qdrant_edge.EdgeShard.create(str(home / SHARD_FOLDER), config)
        )
        writer = cls(home, shard, contract)
        for field, kind in contract.fields.items():
            key = BOOLS_KEY if kind == "bool" else METADATA_KEY
            writer._update(qdrant_edge.UpdateOperation.create_field_index(f"{key}.{field}", _SCHEMA[kind]))
        return writer

    async def write(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        points = [
            qdrant_edge.Point(point_id(passage.docid), vector, self._payload(passage))
            for passage, vector in zip(passages, vectors.tolist(), strict=True)
        ]
        self._update(qdrant_edge.UpdateOperation.upsert_points(points))

    async def flush(self) -> None:
        self._call(self._shard.flush)

    async def count(self) -> int:
        return self._call(lambda: self._shard.count(qdrant_edge.CountRequest(exact=True)))

    async def read_vectors(self, docids: Sequence[str]) -> dict[str, list[float]]:
        ids: list[Any] = [point_id(docid) for docid in docids]
        records = self._call(lambda: self._shard.retrieve(ids, with_payload=True, with_vector=True))
        return {(record.payload or {})["docid"]: _dense(record.vector) for record in records}

    async def build_graph(self) -> None:
        # one call into the engine, in which Python stands still: it cannot be watched
        def settle() -> None:
            while self._shard.optimize():
                pass
            self._shard.flush()

        self._call(settle)

    async def complete(self, contract: IndexContract) -> None:
        write_atomically(self._home / CONTRACT_FILE, contract.model_dump_json(indent=1))

    async def close(self) -> None:
        self._shard.close()

    def _payload(self, passage: Passage) -> dict[str, Any]:
        payload = to_payload(passage)
        if self._bool_fields:
            found = {field: value for field in self._bool_fields if (value := passage.metadata.get(field)) is not None}
            payload[BOOLS_KEY] = {
                field: bool_words(value if isinstance(value, list) else [value]) for field, value in found.items()
            }
        return payload

    def _update(self, operation: qdrant_edge.UpdateOperation) -> None:
        self._call(lambda: self._shard.update(operation))

    def _call(self, work: Callable[[], T]) -> T:
        return engine_call(f"failed on {self._home}", work)


def _config(contract: IndexContract, storage: Storage) -> qdrant_edge.EdgeConfig:
    quantization = qdrant_edge.ScalarQuantizationConfig(
        qdrant_edge.ScalarType.Int8, quantile=0.99, memory=qdrant_edge.Memory.Pinned
    )
    return qdrant_edge.EdgeConfig(
        vectors=qdrant_edge.EdgeVectorParams(
            size=contract.encoder.dimension,
            distance=_DISTANCE[contract.encoder.similarity],
            memory=qdrant_edge.Memory.Cold if storage.on_disk else None,
        ),
        hnsw_config=qdrant_edge.HnswIndexConfig(storage.hnsw_m, storage.hnsw_ef_construct, _FULL_SCAN_KB),
        quantization_config=quantization if storage.quantization == "int8" else None,
        # a search in parallel pieces takes three times the CPU, which the encoder wants
        max_search_threads=1,
    )


def _dense(vector: object) -> list[float]:
    if not isinstance(vector, list):
        raise IndexUnavailable(f"Qdrant Edge returned a vector of the kind {type(vector).__name__}")
    return vector
