"""kill -9 in the middle of embed and of load, then the same command again: the index is the same."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge
from rich.console import Console

from app.bundle import Bundle
from app.errors import NotReady, VerificationError
from app.index import IndexContract
from app.index.edge import EdgeIndex
from offline.embed import EmbedRequest, embed
from offline.load import LoadRequest, load
from offline.run import Run
from offline.shards import read_shard
from tests.conftest import ROOT, SmallCorpus
from tests.runs import random_run

Offline = Callable[..., subprocess.CompletedProcess[str]]


def start(*arguments: object, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "offline", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )


def signal_when(process: subprocess.Popen[bytes], reached: Callable[[], bool], number: signal.Signals) -> None:
    """Signal as soon as the condition holds; the process must still be at work then."""
    while not reached():
        assert process.poll() is None, "the process ended before it could be signalled"
        time.sleep(0.001)
    os.kill(process.pid, number)


def kill_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    signal_when(process, reached, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def end_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    """SIGTERM, as a container's engine sends it, and the one line that says how to go on."""
    signal_when(process, reached, signal.SIGTERM)
    _, log = process.communicate()
    assert process.returncode == 130, log
    assert log == b"error: interrupted; run the same command again to go on\n"


def test_a_killed_embed_goes_on_and_comes_to_the_same_vectors(
    demo_bundle: Bundle, small_corpus: SmallCorpus, tmp_path: Path, run_offline: Offline
) -> None:
    def arguments(folder: str) -> list[object]:
        request = {
            "--corpus": small_corpus.corpus,
            "--queries": small_corpus.queries,
            "--bundle": demo_bundle.folder,
            "--output": tmp_path / folder,
            "--shard-size": 8,
        }
        return ["embed", *(part for pair in request.items() for part in pair)]

    shards = tmp_path / "killed" / "shards"
    kill_when(start(*arguments("killed")), lambda: len(list(shards.glob("*.safetensors"))) >= 2)
    kept = {path: path.stat().st_mtime_ns for path in shards.glob("*.safetensors")}
    assert 2 <= len(kept) < 6

    resumed = run_offline(*arguments("killed"))
    assert resumed.returncode == 0, resumed.stderr
    assert "going on after" in resumed.stdout
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # what was done was not done again
    assert len(list(shards.iterdir())) == 6  # and nothing half-written is left

    embed(
        EmbedRequest(small_corpus.corpus, small_corpus.queries, demo_bundle.folder, tmp_path / "whole", shard_size=8),
        Console(quiet=True),
    )
    for number in range(6):
        killed, whole = (read_shard(Run(tmp_path / name).shard_path(number)) for name in ("killed", "whole"))
        np.testing.assert_array_equal(killed.passages, whole.passages)
        np.testing.assert_array_equal(killed.query_sums, whole.query_sums)
        np.testing.assert_array_equal(killed.counts, whole.counts)
    assert Run(tmp_path / "killed").manifest() == Run(tmp_path / "whole").manifest()

    again = run_offline(*arguments("killed"))
    assert "embedded already" in again.stdout


def test_an_embed_that_is_asked_to_end_says_how_to_go_on(
    demo_bundle: Bundle, small_corpus: SmallCorpus, tmp_path: Path
) -> None:
    inputs = ["--corpus", small_corpus.corpus, "--queries", small_corpus.queries, "--bundle", demo_bundle.folder]
    command = ["embed", *inputs, "--output", tmp_path / "ended", "--shard-size", 8]
    shards = tmp_path / "ended" / "shards"
    end_when(start(*command, stderr=subprocess.PIPE), lambda: any(shards.glob("*.safetensors")))


def stored(folder: Path) -> dict[str, list[float]]:
    """Every vector of the live Edge index by docid."""
    home = (folder / "passages").resolve()
    shard = qdrant_edge.EdgeShard.load(str(home / "shard"))
    records, offset = [], None
    while True:
        page, offset = shard.scroll(
            qdrant_edge.ScrollRequest(limit=5000, offset=offset, with_payload=True, with_vector=True)
        )
        records += page
        if offset is None:
            break
    shard.close()
    return {record.payload["docid"]: record.vector for record in records}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large enough to be killed while it loads."""
    return random_run(tmp_path_factory.mktemp("big") / "run", 20_000, 5000)


@pytest.fixture(scope="module")
def undisturbed(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """What a load that nobody kills stores."""
    folder = tmp_path_factory.mktemp("undisturbed")
    asyncio.run(load(LoadRequest(vectors, f"edge:{folder}", "passages", 0.05), Console(quiet=True)))
    return stored(folder)


@pytest.mark.parametrize("left", ["as it was", "damaged", "without its contract"])
def test_a_killed_load_goes_on_after_what_it_marked_and_comes_to_the_same_index(
    vectors: Path, undisturbed: dict[str, list[float]], tmp_path: Path, run_offline: Offline, left: str
) -> None:
    command = ["load", "--vectors", vectors, "--index", f"edge:{tmp_path / 'killed'}", "--alpha", 0.05]

    def marks() -> list[str]:
        return [mark for file in (tmp_path / "killed").glob("*/loaded/*.marks") for mark in file.read_text().split()]

    kill_when(start(*command), lambda: len(marks()) >= 1)
    assert not (tmp_path / "killed" / "passages").exists()  # nothing half-written is live
    (home,) = (tmp_path / "killed").glob("passages-*")
    begun, marked = IndexContract.model_validate_json((home / "contract.json").read_bytes()), len(marks())
    assert 1 <= marked < 4
    if left == "damaged":
        for segment in home.glob("shard/segments/*/segment.json"):
            segment.write_text("damaged")
    if left == "without its contract":
        (home / "contract.json").unlink()

    done = run_offline(*command)
    assert done.returncode == 0, done.stderr
    assert "20,000 passages, alpha 0.05, verified and live" in done.stdout
    assert (f"going on after {marked * 5000:,} passages" in done.stdout) == (left == "as it was")
    contract = IndexContract.model_validate_json((home / "contract.json").read_bytes())
    assert (contract.build_id == begun.build_id) == (left == "as it was")
    assert not (home / "loaded").exists()
    assert stored(tmp_path / "killed") == undisturbed


def test_a_load_that_is_asked_to_end_says_how_to_go_on(vectors: Path, tmp_path: Path, run_offline: Offline) -> None:
    command = ["load", "--vectors", vectors, "--index", f"edge:{tmp_path / 'ended'}", "--alpha", 0.05]
    end_when(
        start(*command, stderr=subprocess.PIPE),
        lambda: any(marks.stat().st_size for marks in (tmp_path / "ended").glob("*/loaded/*.marks")),
    )
    resumed = run_offline(*command)
    assert resumed.returncode == 0, resumed.stderr
    assert "going on after" in resumed.stdout


async def test_loading_again_changes_nothing_and_another_alpha_takes_over(
    vectors: Path, tmp_path: Path, run_offline: Offline
) -> None:
    def arguments(alpha: float) -> list[object]:
        return ["load", "--vectors", vectors, "--index", f"edge:{tmp_path / 'i'}", "--alpha", alpha]

    first, again = run_offline(*arguments(0.05)), run_offline(*arguments(0.05))
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "loaded before" in again.stdout
    assert len(list((tmp_path / "i").glob("passages-*"))) == 1
    other = run_offline(*arguments(0.01))
    assert "is kept" in other.stdout
    assert len(list((tmp_path / "i").glob("passages-*"))) == 2
    index = EdgeIndex.open(tmp_path / "i", "passages")
    assert (index.contract.alpha, await index.count()) == (0.01, 20_000)
    await index.close()
    back = run_offline(*arguments(0.05))  # a roll-back is a load of what was there
    assert "loaded before, live now" in back.stdout


async def test_a_damaged_index_is_rebuilt_beside_itself_and_stays_replaced(
    vectors: Path, tmp_path: Path, run_offline: Offline
) -> None:
    command = ["load", "--vectors", vectors, "--index", f"edge:{tmp_path / 'i'}"]
    run_offline(*command)
    first = (tmp_path / "i" / "passages").resolve()
    next(first.glob("shard/segments/*/segment.json")).write_text("damaged")
    with pytest.raises(NotReady, match="load with --rebuild"):
        EdgeIndex.open(tmp_path / "i", "passages")
    believed = run_offline(*command)
    assert (believed.returncode, believed.stdout) == (VerificationError.exit_code, "")
    assert "is damaged; load its vectors with --rebuild" in believed.stderr
    rebuilt = run_offline(*command, "--rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert (tmp_path / "i" / "passages").resolve().name == f"{first.name}-2"
    assert "loaded before" in run_offline(*command).stdout
    index = EdgeIndex.open(tmp_path / "i", "passages")
    assert (index.collection, await index.count()) == (f"{first.name}-2", 20_000)
    await index.close()


def test_an_unfinished_run_is_not_loaded(vectors: Path, tmp_path: Path, run_offline: Offline) -> None:
    copy = tmp_path / "vectors"
    shutil.copytree(vectors, copy)
    (copy / "shards" / "000002.safetensors").write_bytes(b"cut short")
    failed = run_offline("load", "--vectors", copy, "--index", f"edge:{tmp_path / 'i'}")
    assert failed.returncode == 4
    assert "lacks 1 of 4 shards, the first with the passages 10001 to 15000" in failed.stderr
    assert not (tmp_path / "i" / "passages").exists()


def test_what_lost_its_passages_is_not_made_live_again(vectors: Path, tmp_path: Path, run_offline: Offline) -> None:
    def run(alpha: float) -> subprocess.CompletedProcess[str]:
        return run_offline("load", "--vectors", vectors, "--index", f"edge:{tmp_path / 'i'}", "--alpha", alpha)

    run(0.05)
    lost = (tmp_path / "i" / "passages").resolve()
    run(0.01)
    shutil.rmtree(lost / "shard")
    back = run(0.05)
    assert back.returncode == VerificationError.exit_code
    assert "load its vectors with --rebuild" in back.stderr
    assert (tmp_path / "i" / "passages").resolve() != lost


async def test_a_build_that_a_service_has_open_is_gone_back_to(
    vectors: Path, tmp_path: Path, run_offline: Offline
) -> None:
    index = f"edge:{tmp_path / 'i'}"
    run_offline("load", "--vectors", vectors, "--index", index, "--alpha", 0.05)
    serving = EdgeIndex.open(tmp_path / "i", "passages")
    run_offline("load", "--vectors", vectors, "--index", index, "--alpha", 0.01)
    back = run_offline("rollback", "--index", index)
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "i" / "passages").resolve().name == serving.collection
    await serving.close()
