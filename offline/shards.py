"""Shard files: E(p), sums of E(q) per language and their counts, for a range of passages.

Safetensors, not pickle: a shard can be read from any language and cannot run code.  A shard is
written aside, flushed to disk and renamed, so one that has its name is whole.
"""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from app.errors import VerificationError
from app.vectors import Vectors

PARTIAL = ".partial"
"""How the names of shards that are being written end."""

VectorDtype = Literal["float32", "float16"]
"""How vectors and sums are stored; they are computed and read back as float32."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Vectors of consecutive passages; the language axis is the run's ``languages``."""

    passages: Vectors
    """E(p), float32 [n, dimension]."""
    query_sums: Vectors
    """Sum of E(q), float32 [n, languages, dimension]."""
    counts: NDArray[np.int32]
    """Number of queries in each sum, int32 [n, languages]."""


def write_shard(path: Path, shard: Shard, run_id: str, rows: range, dtype: VectorDtype = "float32") -> None:
    """Write a shard atomically; several processes may write the same one.

    Raises:
        VerificationError: a vector is not finite, or a value is beyond the range of ``dtype``.
    """
    stored = {}
    for name, values in (("passages", shard.passages), ("query_sums", shard.query_sums)):
        if not np.isfinite(values).all():
            raise VerificationError(
                f"the encoder yields infinite values for rows {rows.start} to {rows.stop}; use fp32"
            )
        limit = np.finfo(dtype).max
        if np.abs(values).max(initial=0) > limit:
            raise VerificationError(
                f"rows {rows.start} to {rows.stop} hold values beyond {limit:.0f}, the largest {dtype}; "
                "embed into another folder with --vector-dtype float32"
            )
        stored[name] = values.astype(dtype, copy=False)
    content = save(stored | {"counts": shard.counts}, metadata={"run_id": run_id, "rows": f"{rows.start}:{rows.stop}"})
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")  # nobody else's
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def is_whole(path: Path, run_id: str, rows: range) -> bool:
    """Whether the file is a shard of that run and those rows."""
    try:
        with safe_open(path, framework="numpy") as file:
            return bool(file.metadata() == {"run_id": run_id, "rows": f"{rows.start}:{rows.stop}"})
    except (OSError, SafetensorError):
        return False


def read_shard(path: Path) -> Shard:
    """Read a shard that is known to be whole; vectors become float32 again."""
    with safe_open(path, framework="numpy") as file:
        passages, query_sums = (
            file.get_tensor(name).astype(np.float32, copy=False) for name in ("passages", "query_sums")
        )
        return Shard(passages, query_sums, file.get_tensor("counts"))
