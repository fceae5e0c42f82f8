"""Ours and the peers: how each is started, asked and understood."""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np

from deploy.benchmarks.load_client import Target
from deploy.benchmarks.materials import COLLECTION, Materials, Passages
from deploy.benchmarks.peers.corpus import QUERY_PREFIX, TOP_K, Corpus

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_LOCAL_ONLY = {"HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Contestant:
    """A server.  ``{port}`` stands for its port in command and environment."""

    name: str
    command: Sequence[str]
    passages: Passages
    """What it searches, or for one that embeds alone what its vectors are compared with."""
    content: Callable[[str], bytes]
    docids: Callable[[bytes], list[str]]
    """The docids of an answer, closest first."""
    environment: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = "/search"
    expected: bytes = b'"hits":[{'
    ours: bool = False
    engine: str | None = None
    """The engine that ours was asked for."""

    @property
    def log(self) -> str:
        """Name of the file for what it prints."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") + ".log"

    def target(self, port: int) -> Target:
        return Target("127.0.0.1", port, self.method, self.path, self.content, self.expected)


def ours(
    name: str, materials: Materials, passages: Passages, engine: str | None, settings: Mapping[str, str]
) -> Contestant:
    """The service of this working tree, with the settings that it has by default unless given."""
    own = {
        "XQG_BUNDLE": str(materials.bundle),
        "XQG_INDEX": passages.index,
        "XQG_COLLECTION": COLLECTION,
        "XQG_HOST": "127.0.0.1",
        "XQG_PORT": "{port}",
    }
    return Contestant(
        name,
        [sys.executable, "-m", "app"],
        passages,
        lambda question: json.dumps({"query": question, "top_k": TOP_K}).encode(),
        _hits,
        own | ({"XQG_ENGINE": engine} if engine else {}) | dict(settings),
        path="/v1/search",
        ours=True,
        engine=engine,
    )


def canned(materials: Materials) -> Contestant:
    """The web server alone: part of the bound."""
    command = [sys.executable, "-m", "deploy.benchmarks.canned", "--port", "{port}"]
    command += ["--model", str(materials.bundle), "--corpus", str(materials.fused.folder)]
    return Contestant("canned answer", command, materials.fused, _question, _hits)


def peers(materials: Materials, python: Path, infinity: Path | None) -> dict[str, Callable[[], Contestant]]:
    """By short name; each is built when asked for, since some need files that take time to write.

    Args:
        python: the interpreter of the peers' virtualenv.
        infinity: the ``infinity_emb`` command, where it is installed.
    """

    def module(name: str, module: str, model: Callable[[], Path], **environment: str) -> Contestant:
        passages = materials.fused
        command = [str(python), "-m", f"deploy.benchmarks.peers.{module}", "--port", "{port}"]
        command += ["--model", str(model()), "--corpus", str(passages.folder)]
        return Contestant(name, command, passages, _question, _hits, _LOCAL_ONLY | environment)

    def checkpoint() -> Path:
        return materials.checkpoint

    found = {
        "fastembed": lambda: module("fastembed + Edge", "fastembed_edge", lambda: materials.fastembed_model),
        "st": lambda: module("sentence-transformers + local", "sentence_transformers_qdrant", checkpoint),
        "st-1": lambda: module(
            "sentence-transformers + local, 1 BLAS thread", "sentence_transformers_qdrant", checkpoint, **_ONE_THREAD
        ),
        "litserve": lambda: module("LitServe, batch 32", "litserve_qdrant", checkpoint),
        "txtai": lambda: Contestant(
            **vars(module("txtai", "txtai_api", checkpoint))
            | {"method": "GET", "path": "/search?limit=10&query=", "expected": b'"score":'}
            | {"content": lambda question: quote(question, safe="").encode(), "docids": _ids}
        ),
    }
    if infinity is not None:
        found["infinity"] = partial(_infinity, materials, infinity)
    return found


def _infinity(materials: Materials, command: Path) -> Contestant:
    options = ["--model-id", str(materials.checkpoint), "--served-model-name", "m", "--engine", "torch"]
    options += ["--device", "cpu", "--dtype", "float32"]
    return Contestant(
        "infinity, torch (embeds only)",
        [str(command), "v2", *options, "--port", "{port}", "--host", "127.0.0.1"],
        materials.fused,
        lambda question: json.dumps({"model": "m", "input": [QUERY_PREFIX + question]}).encode(),
        partial(_closest, materials.fused.corpus),
        _LOCAL_ONLY | {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"},
        path="/embeddings",
        expected=b'"embedding"',
    )


def _question(question: str) -> bytes:
    return json.dumps({"query": question}).encode()


def _hits(body: bytes) -> list[str]:
    return [hit["docid"] for hit in json.loads(body)["hits"]]


def _ids(body: bytes) -> list[str]:
    return [hit["id"] for hit in json.loads(body)]


def _closest(corpus: Corpus, body: bytes) -> list[str]:
    """The exact top ten of a vector."""
    vector = np.asarray(json.loads(body)["data"][0]["embedding"], np.float32)
    return [corpus.payloads[row]["docid"] for row in np.argsort(-(corpus.vectors @ vector))[:TOP_K]]
