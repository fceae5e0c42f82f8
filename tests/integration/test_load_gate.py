"""load --gate: what would retrieve worse does not become live, and nothing is written."""

import asyncio
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.errors import ConfigurationError, ContractMismatch, GateFailed
from app.index.edge import EdgeIndex
from offline.evaluate.report.model import AskedQuestion, DatasetFacts, Report, System
from offline.evaluate.run_ranking import embed_questions, rank_run
from offline.filling import FusedRun
from offline.fuse import fuse
from offline.load import LoadRequest, load
from offline.load_request import GateRequest
from offline.run import Run
from offline.shards import read_shard
from tests.conftest import QUIET, SMALL_PASSAGES, Built, SmallCorpus
from tests.offline.evaluate.asked import ask
from tests.offline.evaluate.judged import report_of, study_of
from tests.runs import shuffle_queries

Offline = Callable[..., subprocess.CompletedProcess[str]]
ALPHA = 0.05


@dataclass(frozen=True)
class Held:
    """A report of what the good vectors measure, and what it was made of."""

    report: Report
    path: Path
    questions: np.ndarray
    """Vectors, float32 [questions, dimension]."""
    ranked: np.ndarray
    """Rows of the passages in the order of their scores, best first, int [questions, passages]."""


def fused_vectors(vectors: Path, alpha: float) -> np.ndarray:
    """Of every passage, at length 1."""
    run = Run(vectors)
    manifest = run.manifest()
    assert manifest is not None
    shards = [read_shard(run.shard_path(number)) for number in range(manifest.shard_count)]
    whole = np.concatenate([fuse(each.passages, each.query_sums, each.counts, alpha) for each in shards])
    return whole / np.linalg.norm(whole, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def held(
    built: Built, small_corpus: SmallCorpus, encoder: OnnxEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Held:
    folder = tmp_path_factory.mktemp("held")
    asked = ask(small_corpus, folder).questions
    questions = np.concatenate(
        [encoder.encode(encoder.tokenize([each.text], Side.QUERY), Side.QUERY) for each in asked]
    )
    ranked = np.argsort(-(questions @ fused_vectors(built.vectors, ALPHA).T), axis=1, kind="stable")
    reciprocal = [
        1 / (1 + ranked[row].tolist().index(small_corpus.docids.index(next(iter(each.relevant)))))
        for row, each in enumerate(asked)
    ]
    report = report_with(asked, {"MRR@100": reciprocal})
    path = folder / "report.json"
    path.write_text(report.model_dump_json())
    return Held(report, path, questions, ranked)


def report_with(asked: list[AskedQuestion], scores: dict[str, list[float]]) -> Report:
    (metric,) = scores
    fused = System(
        name="tiny + xQG",
        encoder="f",
        description="",
        alpha=ALPHA,
        scores={name: list(each) for name, each in scores.items()},
        means={},
    )
    facts = DatasetFacts(name="beir", files={}, passages=SMALL_PASSAGES, questions={}, augmentations={}, notes={})
    return report_of(
        {}, questions=asked, systems=[fused], studies=[study_of("tiny", metric)], metrics=[metric], dataset=facts
    )


@pytest.fixture
def vectors(built: Built, tmp_path: Path) -> Path:
    """A copy of the good run, for what a test does to it and remembers in it."""
    own = tmp_path / "vectors"
    shutil.copytree(built.vectors, own)
    return own


def live_in(index: Path) -> str:
    return (index / "passages").readlink().name


async def test_a_run_is_searched_as_numpy_would(held: Held, vectors: Path, demo_bundle: Bundle) -> None:
    manifest = Run(vectors).manifest()
    assert manifest is not None
    questions = await embed_questions(demo_bundle, [each.text for each in held.report.questions], "cpu", QUIET)
    assert np.allclose(questions, held.questions, atol=1e-5)
    found = await rank_run(FusedRun(Run(vectors), manifest, ALPHA, False), held.questions, 7, QUIET)
    assert (found.rows == held.ranked[:, :7]).mean() > 0.999  # scores that are equal but for their last bit
    expected = np.take_along_axis(held.questions @ fused_vectors(vectors, ALPHA).T, found.rows, axis=1)
    assert np.allclose(found.scores, expected, atol=1e-5)


def test_a_good_run_passes_and_goes_live_and_a_spoilt_one_leaves_everything_as_it_is(
    held: Held, vectors: Path, demo_bundle: Bundle, tmp_path: Path, run_offline: Offline
) -> None:
    index = tmp_path / "index"
    gate = ("--gate", held.path, "--gate-bundle", demo_bundle.folder)
    good = run_offline("load", "--vectors", vectors, "--index", f"edge:{index}", "--alpha", ALPHA, *gate)
    assert good.returncode == 0, good.stderr
    assert "144" in good.stdout  # questions, in the row of the average
    assert good.stdout.index("no difference shown") < good.stdout.index("verified and live")
    live, before = live_in(index), sorted(path.name for path in index.iterdir())
    shuffle_queries(vectors)
    spoilt = run_offline("load", "--vectors", vectors, "--index", f"edge:{index}", "--alpha", 0.5, *gate)
    assert spoilt.returncode == 8
    (line,) = spoilt.stderr.splitlines()
    assert line.startswith(f"error: not loaded, and nothing has changed: worse than {held.path} by more than 1 points")
    assert "fi MRR@100" in line
    assert "REGRESSION" in spoilt.stdout
    assert live_in(index) == live
    assert sorted(path.name for path in index.iterdir()) == before
    found = asyncio.run(search(index, held.questions[0]))
    assert len(found) == 5


async def search(index: Path, question: np.ndarray) -> list[str]:
    opened = EdgeIndex.open(index, "passages")
    try:
        return [hit.passage.docid for hit in await opened.query(question, 5)]
    finally:
        await opened.close()


@pytest.fixture
def request_(held: Held, vectors: Path, demo_bundle: Bundle, tmp_path: Path) -> LoadRequest:
    gate = GateRequest(held.path, demo_bundle.folder)
    return LoadRequest(vectors, f"edge:{tmp_path / 'index'}", "passages", ALPHA, gate=gate)


async def test_what_may_be_lost_is_said(request_: LoadRequest) -> None:
    shuffle_queries(request_.vectors)
    assert request_.gate is not None
    spoilt = replace(request_, alpha=0.5)
    with pytest.raises(GateFailed, match="by more than 1 points"):
        await load(spoilt, QUIET)
    await load(replace(spoilt, gate=replace(request_.gate, max_drop=1)), QUIET)


async def test_what_passed_is_not_judged_again_unless_something_changed(
    request_: LoadRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a load that goes on after it was killed, and as workers that load shares."""
    import offline.load_gate

    asked = []

    async def counted(*given: object) -> object:
        asked.append(given)
        return await embed_questions(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(offline.load_gate, "embed_questions", counted)
    await load(request_, QUIET)
    await load(replace(request_, rebuild=True), QUIET)
    assert len(asked) == 1
    await load(replace(request_, alpha=0.04), QUIET)
    assert len(asked) == 2


async def test_what_is_live_already_is_not_judged_and_what_only_was_live_is(
    request_: LoadRequest, tmp_path: Path
) -> None:
    shuffle_queries(request_.vectors)
    spoilt = replace(request_, alpha=0.5)
    await load(replace(spoilt, gate=None), QUIET)
    live = live_in(tmp_path / "index")
    await load(spoilt, QUIET)
    assert live_in(tmp_path / "index") == live
    await load(replace(request_, gate=None), QUIET)
    with pytest.raises(GateFailed):
        await load(spoilt, QUIET)
    assert live_in(tmp_path / "index") != live


async def test_the_encoder_must_be_the_one_that_embedded_the_run(request_: LoadRequest, tiny_bundle: Bundle) -> None:
    assert request_.gate is not None
    with pytest.raises(ContractMismatch, match=r"--gate-bundle .* did not embed .*vectors: source is "):
        await load(replace(request_, gate=replace(request_.gate, bundle=tiny_bundle.folder)), QUIET)


def with_questions(request: LoadRequest, path: Path, questions: list[AskedQuestion]) -> LoadRequest:
    """The same load, held to a report of these questions, each answered in full."""
    assert request.gate is not None
    path.write_text(report_with(questions, {"MRR@100": [1.0] * len(questions)}).model_dump_json())
    return replace(request, gate=replace(request.gate, report=path))


async def test_a_report_on_another_corpus_is_refused(held: Held, request_: LoadRequest, tmp_path: Path) -> None:
    elsewhere = [each.model_copy(update={"relevant": {"nowhere": 1}}) for each in held.report.questions]
    with pytest.raises(ConfigurationError, match=r"144 of the 144 questions of .* have no relevant passage"):
        await load(with_questions(request_, tmp_path / "other.json", elsewhere), QUIET)


async def test_a_gate_whose_questions_were_fused_says_nothing_and_is_refused(
    request_: LoadRequest, small_corpus: SmallCorpus, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in small_corpus.queries.read_text().splitlines()]
    leaked = [
        AskedQuestion(
            id=line["docid"],
            lang="fi",
            text=line["generated_queries"]["fi"][0],
            relevant={line["docid"]: 1},
            answers=[],
        )
        for line in lines
    ]
    with pytest.raises(ConfigurationError, match=r"no question of .* can be asked"):
        await load(with_questions(request_, tmp_path / "leaked.json", leaked), QUIET)


@pytest.mark.parametrize("metric", ["MRR@100", "R@2kt"])
async def test_a_question_that_is_fused_into_any_hit_is_left_out_on_both_sides_and_counted(
    metric: str, held: Held, request_: LoadRequest, small_corpus: SmallCorpus, tmp_path: Path
) -> None:
    """Be it judged by another passage, or by answers alone; its fall from 1 to 0 shows nowhere."""
    assert request_.gate is not None
    line = json.loads(small_corpus.queries.read_text().splitlines()[0])
    another = next(docid for docid in reversed(small_corpus.docids) if docid != line["docid"])
    question = AskedQuestion(
        id="leaked", lang="fi", text=line["generated_queries"]["fi"][0], relevant={another: 1}, answers=[]
    )
    questions, scores = [*held.report.questions, question], [*held.report.systems[0].scores["MRR@100"], 1.0]
    if metric == "R@2kt":
        by_answers = {"relevant": {}, "answers": ["no passage says this"]}
        questions = [each.model_copy(update=by_answers) for each in questions]
        scores = [*(0.0 for _ in held.report.questions), 1.0]
    path = tmp_path / "report.json"
    path.write_text(report_with(questions, {metric: scores}).model_dump_json())
    console = Console(file=io.StringIO(), width=200)
    await load(replace(request_, gate=replace(request_.gate, report=path)), console)
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert "1 questions are among the generated queries of the hits, and are left out" in told
    assert "1 of its questions are not asked here" in told
    (counted,) = re.findall(r"^ *fi +(\d+) .* 0\.0 ", told, re.MULTILINE)
    assert int(counted) == SMALL_PASSAGES


def test_the_gate_needs_both_of_its_options(held: Held, vectors: Path, run_offline: Offline, tmp_path: Path) -> None:
    asked = run_offline("load", "--vectors", vectors, "--index", f"edge:{tmp_path / 'index'}", "--gate", held.path)
    assert asked.returncode == 2
    assert "give the encoder as --gate-bundle" in asked.stderr


def test_build_refuses_a_report_of_no_use_before_it_embeds(
    small_corpus: SmallCorpus, demo_bundle: Bundle, run_offline: Offline, tmp_path: Path
) -> None:
    out = ("--vectors", tmp_path / "vectors", "--index", f"edge:{tmp_path / 'index'}")
    build = ("build", "--corpus", small_corpus.corpus, "--bundle", demo_bundle.folder, *out)
    refused = run_offline(*build, "--gate", small_corpus.corpus)
    assert refused.returncode == 2
    assert "is no report of this version" in refused.stderr
    assert not (tmp_path / "vectors").exists()
