"""An embed run on disk: what goes in, what is done, who is writing.

A run folder holds ``run.json`` (what the run is made of), ``staging.sqlite`` (the joined input)
and ``shards/``.  The run id derives from content alone: the same encoder, passages and queries
give the same id wherever and whenever they meet.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app.bundle import EncoderIdentity
from app.errors import RunConflict
from offline import shards
from offline.files import write_atomically
from offline.locks import refuse_strangers
from offline.staging import StagingReport, open_staging

MANIFEST = "run.json"
STAGING = "staging.sqlite"


class RunManifest(BaseModel):
    """The content of ``run.json``, written before the first shard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    run_id: str
    encoder: EncoderIdentity
    corpus_sha256: str
    """Of the file's bytes, to know on a resume that the input is the same."""
    queries_sha256: str | None
    ignore_unmatched: bool
    languages: list[str]
    shard_size: int
    """Passages per shard."""
    vector_dtype: shards.VectorDtype = "float32"
    """Of the vectors and sums in the shard files."""
    report: StagingReport

    @property
    def shard_count(self) -> int:
        return -(-self.report.passages // self.shard_size)

    def rows(self, shard: int) -> range:
        """The rows of a shard in the staging file."""
        start = shard * self.shard_size
        return range(start, min(start + self.shard_size, self.report.passages))


def run_id_of(encoder: EncoderIdentity, report: StagingReport, vector_dtype: shards.VectorDtype = "float32") -> str:
    """Twelve hex digits over encoder, passages, queries and what rounding the vectors took."""
    content = f"{encoder.fingerprint} {report.corpus_digest} {report.queries_digest}"
    if vector_dtype != "float32":
        content += f" {vector_dtype}"
    return hashlib.sha256(content.encode()).hexdigest()[:12]


class Run:
    """A run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manifest(self) -> RunManifest | None:
        """The run in this folder, None where none was begun.

        Raises:
            RunConflict: the folder holds something else.
        """
        path = self.folder / MANIFEST
        if not path.is_file():
            # a run that died before its manifest was written leaves these and nothing else
            refuse_strangers(self.folder, {STAGING, f"{STAGING}-journal", "shards"})
            return None
        try:
            return RunManifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise RunConflict(f"{path} is from another version of xQG; give another folder") from error

    def begin(self, manifest: RunManifest) -> None:
        (self.folder / "shards").mkdir(exist_ok=True)
        write_atomically(self.folder / MANIFEST, manifest.model_dump_json(indent=1))

    def staging(self) -> AbstractContextManager[sqlite3.Connection]:
        return open_staging(self.staging_path)

    @property
    def staging_path(self) -> Path:
        return self.folder / STAGING

    def shard_path(self, shard: int) -> Path:
        return self.folder / "shards" / f"{shard:06d}.safetensors"

    def missing_shards(self, manifest: RunManifest, among: Iterable[int] | None = None) -> list[int]:
        """Shards that are not there whole, of those given or of all."""
        return [
            shard
            for shard in (range(manifest.shard_count) if among is None else among)
            if not shards.is_whole(self.shard_path(shard), manifest.run_id, manifest.rows(shard))
        ]

    def remove_partials(self, among: range) -> None:
        """Remove what killed processes left of these shards; nobody may be writing them."""
        for partial in (self.folder / "shards").glob(f"*{shards.PARTIAL}"):
            number = partial.name.partition(".")[0]
            if number.isdecimal() and int(number) in among:
                partial.unlink(missing_ok=True)
