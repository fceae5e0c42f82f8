"""Shard files: E(p), sums of E(q) per language and their counts, for a range of passages.

Safetensors, not pickle: a shard can be read from any language and cannot run code.  A shard is
written aside, flushed to disk and renamed, so one that has its name is whole.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from app.errors import VerificationError
from app.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Shard:
    """Vectors of consecutive passages; the language axis is the run's ``languages``."""

    passages: Vectors
    """E(p), float32 [n, dimension]."""
    query_sums: Vectors
    """Sum of E(q), float32 [n, languages, dimension]."""
    counts: NDArray[np.int32]
    """Number of queries in each sum, int32 [n, languages]."""


def write_shard(path: Path, shard: Shard, run_id: str, rows: range) -> None:
    """Write a shard atomically.

    Raises:
        VerificationError: a vector is not finite: the encoder overflowed.
    """
    if not (np.isfinite(shard.passages).all() and np.isfinite(shard.query_sums).all()):
        raise VerificationError(f"the encoder yields infinite values for rows {rows.start} to {rows.stop}; use fp32")
    partial = path.with_name(path.name + ".partial")
    content = save(
        {"passages": shard.passages, "query_sums": shard.query_sums, "counts": shard.counts},
        metadata={"run_id": run_id, "rows": f"{rows.start}:{rows.stop}"},
    )
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def is_whole(path: Path, run_id: str, rows: range) -> bool:
    """Whether the file is a shard of that run and those rows."""
    try:
        with safe_open(path, framework="numpy") as file:
            return bool(file.metadata() == {"run_id": run_id, "rows": f"{rows.start}:{rows.stop}"})
    except (OSError, SafetensorError):
        return False


def read_shard(path: Path) -> Shard:
    """Read a shard that is known to be whole."""
    with safe_open(path, framework="numpy") as file:
        return Shard(*(file.get_tensor(name) for name in ("passages", "query_sums", "counts")))
