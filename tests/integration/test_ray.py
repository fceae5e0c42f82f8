"""generate and embed on a Ray cluster of two workers come to what one process comes to, even when one is killed."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient
from rich.console import Console

from app.bundle import Bundle
from app.passages import point_id
from offline.embed import EmbedRequest, embed
from offline.generate.job import GenerateRequest, generate
from offline.generate.sources import Seq2SeqSource
from offline.run import Run
from offline.shards import read_shard
from tests import tiny
from tests.conftest import SMALL_PASSAGES, Built, SmallCorpus
from tests.integration.test_crash_and_resume import start
from tests.qdrant_stub import running_stub

pytest.importorskip("ray", reason="the extra `ray` is not installed")
Offline = Callable[..., subprocess.CompletedProcess[str]]
QUIET = Console(quiet=True)
ON_RAY = ["--engine", "ray", "--workers", 2]


def embed_arguments(bundle: Bundle, small_corpus: SmallCorpus, folder: Path) -> list[object]:
    corpus, queries = small_corpus.corpus, small_corpus.queries
    files = ["--corpus", corpus, "--queries", queries, "--bundle", bundle.folder, "--output", folder]
    return ["embed", *files, "--shard-size", 4, *ON_RAY]


def same_vectors(one: Path, other: Path) -> None:
    manifest = Run(one).manifest()
    assert manifest is not None
    assert manifest == Run(other).manifest()
    for number in range(manifest.shard_count):
        mine, theirs = (read_shard(Run(folder).shard_path(number)) for folder in (one, other))
        np.testing.assert_allclose(mine.passages, theirs.passages, atol=1e-6)
        np.testing.assert_allclose(mine.query_sums, theirs.query_sums, atol=1e-5)
        np.testing.assert_array_equal(mine.counts, theirs.counts)


def workers_of(driver: int) -> Iterator[int]:
    """Processes of Ray Data's actors that descend from the driver."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cmdline").read_bytes().startswith(b"ray::MapWorker"):
                ancestor = int(entry.name)
                while ancestor > 1 and ancestor != driver:
                    ancestor = int((Path("/proc") / str(ancestor) / "stat").read_text().rpartition(")")[2].split()[1])
                if ancestor == driver:
                    yield int(entry.name)
        except OSError:  # it ended meanwhile
            continue


def test_a_run_survives_a_killed_worker_and_equals_the_local_one(
    demo_bundle: Bundle, small_corpus: SmallCorpus, tmp_path: Path
) -> None:
    driver = start(*embed_arguments(demo_bundle, small_corpus, tmp_path / "ray"))
    shards = tmp_path / "ray" / "shards"
    while not list(shards.glob("*.safetensors")):
        assert driver.poll() is None, "the run ended before a worker could be killed"
        time.sleep(0.01)
    victims = list(workers_of(driver.pid))
    os.kill(victims[0], signal.SIGKILL)
    assert len(list(shards.glob("*.safetensors"))) < 12  # there was still work
    assert driver.wait() == 0
    assert len(victims) == 2
    request = EmbedRequest(
        small_corpus.corpus, small_corpus.queries, demo_bundle.folder, tmp_path / "local", shard_size=4
    )
    embed(request, QUIET)
    same_vectors(tmp_path / "ray", tmp_path / "local")


def test_queries_generated_on_ray_are_those_of_one_process(
    small_corpus: SmallCorpus, tmp_path: Path, run_offline: Offline
) -> None:
    model = tiny.mt5(tmp_path / "mt5")
    arguments = ["--corpus", small_corpus.corpus, "--model", model, "--max-new-tokens", 8]
    done = run_offline("generate", *arguments, "--output", tmp_path / "ray", *ON_RAY)
    assert done.returncode == 0, done.stderr
    source = Seq2SeqSource(str(model), max_new_tokens=8)
    generate(GenerateRequest(small_corpus.corpus, tmp_path / "local", source), QUIET)
    mine, theirs = (tmp_path / folder / "queries.jsonl" for folder in ("ray", "local"))
    assert mine.read_text() == theirs.read_text()


def test_what_a_worker_raises_on_purpose_is_one_line(
    small_corpus: SmallCorpus, tmp_path: Path, run_offline: Offline
) -> None:
    chat = ["--source", "chat", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--retry-s", 1]
    failed = run_offline("generate", "--corpus", small_corpus.corpus, "--output", tmp_path / "out", *chat, *ON_RAY)
    assert failed.returncode == 7
    (line,) = [line for line in failed.stderr.splitlines() if not line.startswith("[")]  # Ray's own begin so
    assert line.startswith("error: the chat server http://127.0.0.1:9/v1/chat/completions does not answer")


def test_a_load_on_ray_fills_a_server_as_one_process_does(
    built: Built, small_corpus: SmallCorpus, tmp_path: Path, run_offline: Offline
) -> None:
    vectors = tmp_path / "vectors"
    shutil.copytree(built.vectors, vectors)
    with running_stub() as stub:
        server = ["--index", stub.url, "--grpc-port", 0]
        done = run_offline("load", "--vectors", vectors, *server, "--collection", "ray", *ON_RAY)
        assert done.returncode == 0, done.stderr
        assert "48 of 48 passages" in done.stdout
        local = run_offline("load", "--vectors", vectors, *server, "--collection", "local")
        assert local.returncode == 0, local.stderr
        mine, theirs = (content(stub.url, alias, small_corpus.docids) for alias in ("ray", "local"))
    assert len(mine) == SMALL_PASSAGES
    assert mine == theirs


def content(url: str, alias: str, docids: list[str]) -> dict[str, object]:
    """Vector and payload of every passage."""
    client = QdrantClient(url, check_compatibility=False)
    records = client.retrieve(alias, [point_id(docid) for docid in docids], with_payload=True, with_vectors=True)
    client.close()
    return {str(record.id): (record.vector, record.payload) for record in records}


def test_a_load_on_ray_into_an_edge_folder_is_refused(built: Built, tmp_path: Path, run_offline: Offline) -> None:
    failed = run_offline("load", "--vectors", built.vectors, "--index", f"edge:{tmp_path / 'i'}", *ON_RAY)
    assert failed.returncode == 2
    assert "an Edge folder has one writer" in failed.stderr
