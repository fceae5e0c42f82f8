"""Every text is embedded once: vectors kept on disk by text, for all studies and for later evaluations."""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from app.bundle import Bundle, Side
from app.cores import usable_cores
from app.encoder import OnnxEncoder
from app.engines import Device, EngineName
from app.errors import VerificationError
from app.vectors import Vectors
from offline.batches import BatchEmbedder
from offline.progress import progress

_AT_ONCE = 512  # texts embedded between two commits: what a killed evaluation does again at most


class EmbeddingCache:
    """Vectors of one encoder in a SQLite file; a killed run loses at most the texts of one commit.

    A vector depends on the encoder and on the text alone, not on what else was in its batch, so
    any evaluation may use what another embedded.

    Args:
        folder: where the file is, one per encoder, engine and device.
        bundle: the encoder; opened by the first text that is not there yet.
    """

    def __init__(
        self,
        folder: Path,
        bundle: Bundle,
        *,
        engine: EngineName = "onnxruntime",
        device: Device = "cpu",
        max_batch_tokens: int = 512,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.bundle = bundle
        self._engine: EngineName = engine
        self._device: Device = device
        self._max_batch_tokens = max_batch_tokens
        self._embedder: BatchEmbedder | None = None
        self._database = sqlite3.connect(
            folder / f"{bundle.fingerprint[:16]}-{engine}-{device}.sqlite", isolation_level=None
        )
        # write-ahead, so that two evaluations may share the file
        self._database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA busy_timeout=60000;"
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
        )

    def embed(self, texts: Sequence[str], side: Side, what: str, console: Console) -> Vectors:
        """float32 [len(texts), dimension]; shows progress where there is something to embed.

        Raises:
            BundleError: the encoder cannot be opened.
            VerificationError: the encoder yields values that are not finite.
        """
        keys = [hashlib.sha256(f"{side}\0{text}".encode()).digest() for text in texts]
        lacking = {key: text for key, text in zip(keys, texts, strict=True) if not self._has(key)}
        if lacking:
            with progress(console, f"embedding {what}", len(lacking), unit="texts") as advance:
                self._add(lacking, side, lambda count: advance(count, count))
        vectors = np.empty((len(texts), self.bundle.encoder.dimension), np.float32)
        for row, key in enumerate(keys):
            (stored,) = self._database.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
            vectors[row] = np.frombuffer(stored, "<f4")
        return vectors

    def close(self) -> None:
        self._database.close()
        if self._embedder is not None:
            self._embedder.close()

    def _has(self, key: bytes) -> bool:
        return self._database.execute("SELECT 1 FROM vectors WHERE key = ?", (key,)).fetchone() is not None

    def _add(self, lacking: dict[bytes, str], side: Side, on_progress: Callable[[int], None]) -> None:
        if self._embedder is None:
            cores = usable_cores()
            encoder = OnnxEncoder(
                self.bundle, sides=tuple(Side), engine=self._engine, device=self._device, callers=cores
            )
            self._embedder = BatchEmbedder(encoder, cores, self._max_batch_tokens)
        items = list(lacking.items())
        for start in range(0, len(items), _AT_ONCE):
            part = items[start : start + _AT_ONCE]
            vectors = self._embedder.embed([text for _, text in part], side, on_progress)
            if not np.isfinite(vectors).all():
                raise VerificationError("the encoder yields infinite values; export it as fp32")
            rows = [(key, vector.astype("<f4").tobytes()) for (key, _), vector in zip(part, vectors, strict=True)]
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            self._database.execute("COMMIT")
