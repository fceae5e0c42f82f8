"""Write a Qdrant Edge folder; the layout is told in ``app/index/edge.py``."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge
from filelock import FileLock, Timeout
from pydantic import ValidationError

from app.errors import IndexUnavailable, OutOfSpace, RunConflict
from app.index.contract import FieldType, IndexContract
from app.index.edge import BOOLS_KEY, CONTRACT_FILE, SHARD_FOLDER, bool_words
from app.passages import METADATA_KEY, Passage, point_id, to_payload
from app.vectors import Vectors
from offline.files import write_atomically

T = TypeVar("T")

_PREALLOCATED_BYTES = 128 * 2**20  # first chunks, write-ahead log

_DISTANCE = {"cosine": qdrant_edge.Distance.Cosine, "dot": qdrant_edge.Distance.Dot}
_SCHEMA: dict[FieldType, qdrant_edge.PayloadSchemaType] = {
    "keyword": qdrant_edge.PayloadSchemaType.Keyword,
    "integer": qdrant_edge.PayloadSchemaType.Integer,
    "float": qdrant_edge.PayloadSchemaType.Float,
    "bool": qdrant_edge.PayloadSchemaType.Keyword,  # stored as words, see BOOLS_KEY
}


class EdgeWriter:
    """A ``CollectionWriter`` on a folder, which it holds a lock on until it is closed.

    Raises:
        RunConflict: another load is writing into the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunConflict(f"another load is writing into {folder}; wait for it") from error
        self._home = folder
        self._open_shard: qdrant_edge.EdgeShard | None = None
        self._bool_fields: list[str] = []

    async def live(self, alias: str) -> str | None:
        link = self._folder / alias
        if link.exists() and not link.is_symlink():
            raise RunConflict(f"{link} is no link made by a load; move it away or give another --collection")
        return link.resolve().name if link.is_symlink() else None

    async def contract(self, collection: str) -> IndexContract | None:
        try:
            return IndexContract.model_validate_json((self._folder / collection / CONTRACT_FILE).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    async def reserve(self, payload_bytes: int, contract: IndexContract) -> None:
        # The engine writes through memory maps: a disk that fills up would kill the process with
        # SIGBUS, not raise.  Optimising writes a second copy before it drops the first.
        vectors = contract.passages * contract.encoder.dimension * 4
        needed = 2 * (vectors + payload_bytes) + _PREALLOCATED_BYTES
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise OutOfSpace(
                f"{self._folder} has {free / 1e6:,.0f} MB free and the index may take {needed / 1e6:,.0f} MB; "
                "free some or give another folder"
            )

    async def begin(self, collection: str, contract: IndexContract) -> None:
        self._home = self._folder / collection
        shutil.rmtree(self._home, ignore_errors=True)
        (self._home / SHARD_FOLDER).mkdir(parents=True)
        write_atomically(self._home / CONTRACT_FILE, contract.model_dump_json(indent=1))
        params = qdrant_edge.EdgeVectorParams(
            size=contract.encoder.dimension, distance=_DISTANCE[contract.encoder.similarity]
        )
        config = qdrant_edge.EdgeConfig(vectors=params)
        self._open_shard = self._call(lambda: qdrant_edge.EdgeShard.create(str(self._home / SHARD_FOLDER), config))
        for field, kind in contract.fields.items():
            key = BOOLS_KEY if kind == "bool" else METADATA_KEY
            self._update(qdrant_edge.UpdateOperation.create_field_index(f"{key}.{field}", _SCHEMA[kind]))
        self._bool_fields = [field for field, kind in contract.fields.items() if kind == "bool"]

    async def write(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        points = [
            qdrant_edge.Point(point_id(passage.docid), vector, self._payload(passage))
            for passage, vector in zip(passages, vectors.tolist(), strict=True)
        ]
        self._update(qdrant_edge.UpdateOperation.upsert_points(points))

    async def finish(self, contract: IndexContract) -> None:
        def settle() -> None:
            while self._shard.optimize():
                pass
            self._shard.flush()

        self._call(settle)
        write_atomically(self._home / CONTRACT_FILE, contract.model_dump_json(indent=1))

    async def count(self) -> int:
        return self._call(lambda: self._shard.count(qdrant_edge.CountRequest(exact=True)))

    async def read_vectors(self, docids: Sequence[str]) -> dict[str, list[float]]:
        ids: list[Any] = [point_id(docid) for docid in docids]
        records = self._call(lambda: self._shard.retrieve(ids, with_payload=True, with_vector=True))
        return {(record.payload or {})["docid"]: _dense(record.vector) for record in records}

    async def publish(self, alias: str, collection: str) -> None:
        await self.live(alias)  # refuses what is no link of ours
        fresh = self._folder / f".{alias}.next"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(collection)
        fresh.replace(self._folder / alias)
        directory = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    async def close(self) -> None:
        if self._open_shard is not None:
            self._open_shard.close()
        self._lock.release()

    @property
    def _shard(self) -> qdrant_edge.EdgeShard:
        if self._open_shard is None:
            self._open_shard = qdrant_edge.EdgeShard.load(str(self._home / SHARD_FOLDER))
        return self._open_shard

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
        try:
            return work()
        except Exception as error:  # the engine raises plain Exception
            raise IndexUnavailable(f"Qdrant Edge failed on {self._home}: {error}") from error


def _dense(vector: object) -> list[float]:
    if not isinstance(vector, list):
        raise IndexUnavailable(f"Qdrant Edge returned a vector of the kind {type(vector).__name__}")
    return vector
