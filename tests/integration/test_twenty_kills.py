"""kill -9 at twenty random moments of generate, embed and load, each time the same command again."""

import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import qdrant_edge
from rich.console import Console

from offline.__main__ import cli
from offline.export.exporter import export
from offline.export.request import EmbeddingOptions, ExportRequest
from offline.generate.seq2seq_export import export_seq2seq
from tests import tiny

QUIET = Console(quiet=True)
KILLS = {"generate": 8, "embed": 6, "load": 6}
SEED = 20261122
FORKS = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, a tiny seq2seq model and a tiny encoder, both exported."""
    folder = tmp_path_factory.mktemp("parts")
    lines = [f'{{"docid": "p{n}", "title": "Title {n}", "text": "{f"word{n} " * (n % 9 + 1)}"}}\n' for n in range(60)]
    (folder / "c.jsonl").write_text("".join(lines))
    export_seq2seq(str(tiny.mt5(folder / "mt5")), "main", folder / "generator", QUIET)
    encoder = str(tiny.mbert(folder / "mbert"))
    export(ExportRequest(encoder, encoder, folder / "bundle", options=EmbeddingOptions(pooling="cls")), QUIET)
    return folder


def stages(parts: Path, folder: Path) -> list[list[object]]:
    corpus = ["--corpus", parts / "c.jsonl"]
    model = ["--model", parts / "generator", "--max-new-tokens", 12, "--queries-per-language", 3]
    queries = ["--queries", folder / "queries" / "queries.jsonl"]
    return [
        ["generate", *corpus, *model, "--output", folder / "queries", "--block-size", 2, "--languages", "ar,fi,te"],
        ["embed", *corpus, *queries, "--bundle", parts / "bundle", "--output", folder / "vectors", "--shard-size", 4],
        ["load", "--vectors", folder / "vectors", "--index", f"edge:{folder / 'index'}", "--alpha", 0.1],
    ]


def content(folder: Path) -> dict[str, tuple[list[float], object]]:
    """Vector and payload of every passage of the live index."""
    shard = qdrant_edge.EdgeShard.load(str((folder / "index" / "passages").resolve() / "shard"))
    records, _ = shard.scroll(qdrant_edge.ScrollRequest(limit=1000, with_payload=True, with_vector=True))
    shard.close()
    return {record.payload["docid"]: (record.vector, record.payload) for record in records}


def run(arguments: list[object]) -> None:
    """``python -m offline`` in a process that has imported everything already."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        cli([str(argument) for argument in arguments], prog_name="offline")


def started(arguments: list[object]) -> ForkServerProcess:
    process = FORKS.Process(target=run, args=(arguments,))
    process.start()
    return process


def test_twenty_kills_end_in_the_index_of_an_undisturbed_run(parts: Path, tmp_path: Path) -> None:
    FORKS.set_forkserver_preload(["tests.integration.test_twenty_kills", "offline.generate.seq2seq"])
    started(["--help"]).join()  # the server of forks imports now, so that the times below are of work alone
    takes_s = {}
    for command in stages(parts, tmp_path / "undisturbed"):
        began = time.monotonic()
        process = started(command)
        process.join()
        assert process.exitcode == 0
        takes_s[str(command[0])] = time.monotonic() - began
    expected = content(tmp_path / "undisturbed")
    assert len(expected) == 60
    assert all(len(payload["generated_queries"]["te"]) == 3 for _, payload in expected.values())  # type: ignore[index]

    moments = random.Random(SEED)
    to_come = dict(KILLS)
    for number in itertools.count(1):
        folder = tmp_path / f"try-{number}"
        for command in stages(parts, folder):
            stage = str(command[0])
            while True:
                process = started(command)
                process.join(moments.uniform(0, takes_s[stage]) if to_come[stage] else None)
                process.kill()
                process.join()
                if process.exitcode != -signal.SIGKILL:
                    break
                to_come[stage] -= 1
            assert process.exitcode == 0, f"{stage} could not go on"
        assert content(folder) == expected, f"kills to come: {to_come}, seed {SEED}"
        if not any(to_come.values()):
            break
