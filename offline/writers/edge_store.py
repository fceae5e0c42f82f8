"""The collections of a Qdrant Edge folder, and the links that make one of them live."""

import contextlib
import os
import shutil
from pathlib import Path

import qdrant_edge
from filelock import FileLock, Timeout
from pydantic import ValidationError

from app.errors import IndexUnavailable, OutOfSpace, RunConflict
from app.index.contract import IndexContract
from app.index.edge import CONTRACT_FILE, SHARD_FOLDER, engine_call
from offline.writers.edge import EdgeWriter
from offline.writers.protocol import Storage

_PREALLOCATED_BYTES = 128 * 2**20  # first chunks, write-ahead log
_MARKS = "loaded"


class EdgeStore:
    """A ``CollectionStore`` on a folder, which it holds a lock on until it is closed.

    Raises:
        RunConflict: another load is writing into the folder.
    """

    def __init__(self, folder: Path, storage: Storage) -> None:
        self.state = folder
        self._folder = folder
        self._storage = storage
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunConflict(f"another load is writing into {folder}; wait for it") from error

    async def live(self, alias: str) -> str | None:
        link = self._folder / alias
        if link.exists() and not link.is_symlink():
            raise RunConflict(f"{link} is no link made by a load; move it away or give another --collection")
        return link.resolve().name if link.is_symlink() else None

    async def aliases(self, collection: str) -> list[str]:
        links = (entry for entry in self._folder.iterdir() if entry.is_symlink())
        return sorted(link.name for link in links if link.resolve().name == collection)

    async def collections(self) -> list[str]:
        homes = (entry for entry in self._folder.iterdir() if entry.is_dir() and not entry.is_symlink())
        return sorted(home.name for home in homes)

    async def holds(self, collection: str) -> bool:
        return (self._folder / collection).is_dir()

    async def contract(self, collection: str) -> IndexContract | None:
        try:
            return IndexContract.model_validate_json((self._folder / collection / CONTRACT_FILE).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def owns(self, contract: IndexContract | None) -> bool:
        """The folder's lock is held, so whatever is unfinished in it belongs to nobody else."""
        return True

    def marks_folder(self, collection: str, contract: IndexContract) -> Path:
        return self._folder / collection / _MARKS

    async def reserve(self, collection: str, payload_bytes: int, contract: IndexContract) -> None:
        # The engine writes through memory maps: a disk that fills up would kill the process with
        # SIGBUS, not raise.  Optimising writes a second copy before it drops the first.
        vectors = contract.passages * contract.encoder.dimension * 4
        there = sum(file.stat().st_blocks * 512 for file in (self._folder / collection).rglob("*"))
        needed = 2 * (vectors + payload_bytes) + _PREALLOCATED_BYTES - there
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise OutOfSpace(
                f"{self._folder} has {free / 1e6:,.0f} MB free and the index may take {needed / 1e6:,.0f} MB; "
                "free some or give another folder"
            )

    async def create(self, collection: str, contract: IndexContract) -> EdgeWriter:
        return EdgeWriter.create(self._folder / collection, contract, self._storage)

    async def reopen(self, collection: str, contract: IndexContract) -> EdgeWriter | None:
        home = self._folder / collection
        try:
            shard = self._open(home)
        except IndexUnavailable:
            return None
        return EdgeWriter(home, shard, contract)

    async def drop(self, collection: str) -> None:
        home = self._folder / collection
        with contextlib.suppress(IndexUnavailable):  # a damaged one may go
            self._open(home).close()
        shutil.rmtree(home)

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
        self._lock.release()

    def _open(self, home: Path) -> qdrant_edge.EdgeShard:
        """Raises RunConflict where another process has it open, IndexUnavailable where it is damaged."""
        try:
            return engine_call(f"cannot open {home}", lambda: qdrant_edge.EdgeShard.load(str(home / SHARD_FOLDER)))
        except IndexUnavailable as error:
            if "WouldBlock" in str(error):
                raise RunConflict(f"another process has {home} open; stop that service first") from error
            raise
