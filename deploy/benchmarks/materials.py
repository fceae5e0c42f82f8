"""What every contestant serves: the demo's vectors as Edge indexes, as plain files, and the encoder in each format."""

import asyncio
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from rich.console import Console

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.vectors import Vectors
from deploy.benchmarks.peers.corpus import TOP_K, Corpus
from offline.demo.checkpoint import write_checkpoint
from offline.fuse import fuse
from offline.load import LoadRequest, load
from offline.run import Run
from offline.shards import read_shard
from offline.staging import read_staged

COLLECTION = "passages"


@dataclass(frozen=True)
class Passages:
    """One set of vectors, as an Edge index (``edge:<folder>/index``) and as files for the peers."""

    folder: Path
    alpha: float

    @property
    def index(self) -> str:
        return f"edge:{self.folder / 'index'}"

    @property
    def corpus(self) -> Corpus:
        return Corpus(self.folder)

    def write(self, run: Run) -> None:
        """Fuse and store.  Without xQG (alpha 0) no queries are kept either, as if none had been generated."""
        manifest = run.manifest()
        assert manifest is not None
        self.folder.mkdir()
        with_xqg = self.alpha > 0
        request = LoadRequest(
            run.folder, self.index, COLLECTION, self.alpha, keep_queries=with_xqg, filter_fields=["topic"]
        )
        asyncio.run(load(request, Console(quiet=True)))
        shards = [read_shard(run.shard_path(number)) for number in range(manifest.shard_count)]
        vectors = np.concatenate([fuse(s.passages, s.query_sums, s.counts, self.alpha) for s in shards])
        np.save(self.folder / "vectors.npy", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
        with run.staging() as staging, (self.folder / "passages.jsonl").open("w", encoding="utf-8") as lines:
            for passage in read_staged(staging):
                payload = {"docid": passage.docid, "title": passage.title, "text": passage.text}
                lines.write(json.dumps(payload, ensure_ascii=False) + "\n")


class Materials:
    """Made in a scratch folder from a bundle and a finished embed run, neither of which is changed.

    Args:
        checkpoint: where the sentence-transformers folder is, or is to be written.
    """

    def __init__(self, scratch: Path, bundle: Path, vectors: Path, alpha: float, checkpoint: Path) -> None:
        self.scratch = scratch
        self.bundle = bundle.resolve()
        if Run(vectors).manifest() is None:
            raise SystemExit(f"error: {vectors} holds no vectors; `make demo` makes them")
        copy = Run(Path(shutil.copytree(vectors, scratch / "vectors")))  # a load leaves marks in it
        self.fused = Passages(scratch / "with-xqg", alpha)
        self.plain = Passages(scratch / "without-xqg", 0.0)
        for passages in (self.fused, self.plain):
            passages.write(copy)
        self._checkpoint = checkpoint

    @cached_property
    def checkpoint(self) -> Path:
        """The encoder for sentence-transformers; half a gigabyte, kept for the next time."""
        self._checkpoint.parent.mkdir(parents=True, exist_ok=True)
        return write_checkpoint(self._checkpoint).resolve()

    @cached_property
    def fastembed_model(self) -> Path:
        """The bundle's graph beside the tokenizer files that fastembed reads.

        ONNX Runtime follows no link out of the folder to a graph's weights, so these are hard links
        or copies.
        """
        folder = self.scratch / "fastembed"
        folder.mkdir()
        for source in [*self.bundle.glob("model.onnx*"), *self.checkpoint.glob("*.json")]:
            try:
                os.link(source, folder / source.name)
            except OSError:  # another file system
                shutil.copy(source, folder)
        return folder


@dataclass(frozen=True)
class Reference:
    """The exact top ten of some questions, by fp32 vectors and by comparing with every passage."""

    questions: Sequence[str]
    vectors: Vectors
    """float32 [questions, dimension], normalised."""

    @classmethod
    def of(cls, questions: Sequence[str], bundle: Path) -> "Reference":
        encoder = OnnxEncoder(Bundle.open(bundle))
        vectors = np.concatenate(
            [encoder.encode(encoder.tokenize([text], Side.QUERY), Side.QUERY) for text in questions]
        )
        return cls(questions, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def agreement(self, corpus: Corpus, answers: Sequence[Sequence[str]]) -> tuple[float, float]:
        """Share of the questions with the same first docid, and of the ten docids that are the same."""
        docids = [payload["docid"] for payload in corpus.payloads]
        best = np.argsort(-(self.vectors @ corpus.vectors.T), axis=1)[:, :TOP_K]
        pairs = [([docids[row] for row in rows], answer) for rows, answer in zip(best, answers, strict=True)]
        first = sum(exact[0] == answer[0] for exact, answer in pairs)
        shared = sum(len(set(exact) & set(answer)) for exact, answer in pairs)
        return first / len(pairs), shared / (TOP_K * len(pairs))
