"""Several workers embed one run: whoever did what, the vectors are those of one worker."""

import io
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from app.bundle import Bundle
from app.errors import ConfigurationError, RunConflict
from offline.embed import EmbedRequest, embed
from offline.export.exporter import export
from offline.export.request import EmbeddingOptions, ExportRequest
from offline.locks import setup_lock
from offline.run import Run
from offline.shard_embedder import ShardEmbedder, ShardEmbedderSpec
from offline.shards import read_shard
from offline.share import Share
from tests import tiny
from tests.conftest import QUIET, ROOT, SmallCorpus

Offline = Callable[..., subprocess.CompletedProcess[str]]
SHARDS = 12


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Two encoders of one make."""
    folder = tmp_path_factory.mktemp("bundles")
    models = [str(tiny.mbert(folder / f"model-{seed}", seed)) for seed in (0, 1)]
    options = EmbeddingOptions(pooling="mean")
    return [export(ExportRequest(m, m, folder / Path(m).name[-1], options=options), QUIET) for m in models]


@pytest.fixture(scope="module")
def whole(bundles: list[Bundle], small_corpus: SmallCorpus, tmp_path_factory: pytest.TempPathFactory) -> EmbedRequest:
    """A run that one worker did in one go."""
    output = tmp_path_factory.mktemp("whole") / "run"
    request = EmbedRequest(small_corpus.corpus, small_corpus.queries, bundles[0].folder, output, shard_size=4)
    embed(request, QUIET)
    return request


def told_by(request: EmbedRequest) -> str:
    """What embed prints."""
    printed = io.StringIO()
    embed(request, Console(file=printed, width=200))
    return printed.getvalue()


def assert_same(first: Path, second: Path) -> None:
    manifest = Run(first).manifest()
    assert manifest is not None
    assert manifest == Run(second).manifest()
    assert manifest.shard_count == SHARDS
    for number in range(SHARDS):
        one, other = (read_shard(Run(folder).shard_path(number)) for folder in (first, second))
        np.testing.assert_array_equal(one.passages, other.passages)
        np.testing.assert_array_equal(one.query_sums, other.query_sums)
        np.testing.assert_array_equal(one.counts, other.counts)


def arguments(request: EmbedRequest, share: str) -> list[object]:
    return [
        *("embed", "--corpus", request.corpus, "--queries", request.queries, "--bundle", request.bundle),
        *("--output", request.output, "--shard-size", request.shard_size, "--shard", share),
    ]


def test_workers_that_start_at_once_prepare_once_and_together_do_the_whole(whole: EmbedRequest, tmp_path: Path) -> None:
    request = replace(whole, output=tmp_path / "run")
    with setup_lock(request.output, QUIET):  # as the worker that came first holds it
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "offline", *map(str, arguments(request, f"{number}/3"))],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for number in (1, 2, 3)
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert "waiting for another worker" in worker.stdout.readline()
        assert not (request.output / "run.json").exists()
    told = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], told
    assert [f"part {number}/3 is embedded, 16 passages" in words for number, words in enumerate(told, 1)] == [True] * 3
    assert any("the run is whole" in words for words in told)
    assert_same(request.output, whole.output)


def test_each_worker_says_what_the_whole_still_lacks(whole: EmbedRequest, tmp_path: Path) -> None:
    request = replace(whole, output=tmp_path / "run")
    told = told_by(replace(request, share=Share(2, 3)))
    assert "part 2/3 is embedded, 16 passages" in told
    assert "32 of 48 passages are still missing from the whole, of --shard 1/3, 3/3" in told
    told = told_by(replace(request, share=Share(1, 2)))  # another division, once nobody holds the first
    assert "going on after 8 passages" in told
    assert "16 of 48 passages are still missing from the whole, of --shard 2/2" in told
    kept = {path: path.stat().st_mtime_ns for path in (request.output / "shards").iterdir()}
    assert len(kept) == 8
    (request.output / "shards" / "000011.safetensors.0a.partial").write_text("a killed worker left this")
    assert "going on after 32 passages" in told_by(request)  # one worker does whatever is missing
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list((request.output / "shards").iterdir())) == SHARDS
    assert_same(request.output, whole.output)
    assert "the run is whole" in told_by(replace(request, share=Share(2, 2)))


def test_a_worker_with_nothing_to_do_says_so_and_is_content(whole: EmbedRequest, tmp_path: Path) -> None:
    told = told_by(replace(whole, output=tmp_path / "run", share=Share(1, 50)))
    assert "part 1/50 is embedded, 0 passages" in told
    assert "48 of 48 passages are still missing from the whole, of --shard 5/50, 9/50" in told


def test_a_share_that_is_none_is_refused_before_anything_is_read(whole: EmbedRequest, run_offline: Offline) -> None:
    failed = run_offline(*arguments(whole, "4/3"))
    assert failed.returncode == 2
    assert failed.stderr == "error: --shard 4/3: write I/N with I from 1 to N, such as 1/8\n"


def test_float16_is_a_property_of_the_run(whole: EmbedRequest, tmp_path: Path) -> None:
    half = replace(whole, output=tmp_path / "run", vector_dtype="float16")
    manifest = embed(half, QUIET)
    before = Run(whole.output).manifest()
    assert before is not None
    assert manifest.run_id != before.run_id  # other vectors, so another index
    for number in range(SHARDS):
        full, rounded = (read_shard(Run(r.output).shard_path(number)) for r in (whole, half))
        np.testing.assert_allclose(rounded.query_sums, full.query_sums, rtol=2**-11, atol=1e-6)
        assert not np.array_equal(rounded.query_sums, full.query_sums)
    for request in (replace(half, vector_dtype="float32"), replace(whole, vector_dtype="float16")):
        with pytest.raises(RunConflict, match="another --vector-dtype"):
            embed(request, QUIET)


def spec_of(request: EmbedRequest) -> ShardEmbedderSpec:
    return ShardEmbedderSpec(request.output, request.bundle, request.max_batch_tokens, threads=2)


def test_a_worker_made_from_a_pickled_spec_embeds_shards_in_any_order(whole: EmbedRequest, tmp_path: Path) -> None:
    request = replace(whole, output=tmp_path / "run")
    embed(replace(request, share=Share(1, SHARDS)), QUIET)  # begins the run
    embedder = ShardEmbedder(pickle.loads(pickle.dumps(spec_of(request))))  # noqa: S301, our own
    told: list[tuple[int, int]] = []
    order = [7, 3, *range(8, SHARDS), 1, 2, 4, 5, 6]
    done = list(embedder.embed(order, lambda passages, texts: told.append((passages, texts))))
    embedder.close()
    assert done == order
    assert np.sum(told, axis=0).tolist() == [44, 44 * 15]  # a passage and its 14 queries
    assert_same(request.output, whole.output)


def test_few_shards_are_in_memory_at_once(whole: EmbedRequest, tmp_path: Path) -> None:
    request = replace(whole, output=tmp_path / "run", max_batch_tokens=4096)
    embed(replace(request, share=Share(1, SHARDS)), QUIET)
    drawn = 0

    def numbers() -> Iterator[int]:
        nonlocal drawn
        for number in range(SHARDS):
            drawn += 1
            yield number

    embedder = ShardEmbedder(replace(spec_of(request), threads=1))
    beyond = [drawn - 1 - done for done in embedder.embed(numbers())]
    embedder.close()
    assert max(beyond) <= 4


def test_an_error_in_a_thread_comes_out_as_itself(whole: EmbedRequest, tmp_path: Path) -> None:
    request = replace(whole, output=tmp_path / "run")
    embed(replace(request, share=Share(1, SHARDS)), QUIET)
    embedder = ShardEmbedder(spec_of(request))
    run = Run(request.output)
    run.shard_path(3).mkdir()  # cannot be written
    with pytest.raises(IsADirectoryError):
        list(embedder.embed(range(1, SHARDS)))
    assert run.shard_path(1).is_file()
    assert [path.name for path in (request.output / "shards").glob("*.partial")] == []
    run.staging_path.unlink()  # cannot be read
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        list(embedder.embed([4]))
    embedder.close()


def test_a_worker_refuses_another_encoder_and_a_folder_without_a_run(
    whole: EmbedRequest, bundles: list[Bundle], tmp_path: Path
) -> None:
    with pytest.raises(RunConflict, match="another encoder"):
        ShardEmbedder(replace(spec_of(whole), bundle=bundles[1].folder))
    with pytest.raises(ConfigurationError, match="holds no run"):
        ShardEmbedder(replace(spec_of(whole), run=tmp_path))
