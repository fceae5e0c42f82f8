"""``python -m offline evaluate`` from files to a report, with the real encoder."""

import gzip
import itertools
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.languages import LANGUAGES
from app.vectors import Vectors
from offline.demo.corpus import QUERIES, write_corpus
from offline.demo.tour import ANSWERS
from offline.evaluate.report.folder import read_report
from tests.conftest import SmallCorpus

RunOffline = Callable[..., subprocess.CompletedProcess[str]]
ALPHA = 0.05


def _write(path: Path, records: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return path


def _vital(folder: Path, questions: list[dict[str, object]], corpus: Path, queries: Path) -> list[object]:
    data = _write(folder / "questions.jsonl", questions)
    return ["--dataset", "vital", "--data", data, "--corpus", corpus, "--queries", queries]


def _questions() -> list[dict[str, object]]:
    return [
        {
            "id": f"q{number}",
            "lang": each.code,
            "question": each.example,
            "docid": ANSWERS[each.code],
            "answers": ["no"],
        }
        for number, each in enumerate(LANGUAGES)
    ]


def _embed(encoder: OnnxEncoder, texts: list[str], side: Side) -> Vectors:
    return np.concatenate([encoder.encode([tokens], side) for tokens in encoder.tokenize(texts, side)])


def test_the_figures_are_those_of_a_few_lines_of_numpy_over_real_questions(
    tmp_path: Path, shared_data: Path, demo_bundle: Bundle, encoder: OnnxEncoder, run_offline: RunOffline
) -> None:
    asked = [json.loads(line) for line in (shared_data / "vital" / "questions.jsonl").read_text().splitlines()]
    chosen = sorted({question["docid"] for question in asked})[:24]
    every = [json.loads(line) for line in write_corpus(tmp_path / "all.jsonl").read_text().splitlines()]
    passages = [passage for passage in every if passage["docid"] in chosen]
    with gzip.open(QUERIES, "rt", encoding="utf-8") as file:
        records = [record for record in map(json.loads, file) if record["docid"] in chosen]
    texts = {record["docid"]: [*itertools.chain(*record["generated_queries"].values())] for record in records}
    fused_keys = {re.sub(r"[\W_]", "", text.casefold()) for text in itertools.chain(*texts.values())}
    asked = [
        question
        for question in asked
        if question["docid"] in chosen and re.sub(r"[\W_]", "", question["question"].casefold()) not in fused_keys
    ]
    corpus = _write(tmp_path / "corpus.jsonl", passages)
    queries = _write(tmp_path / "queries.jsonl", records)

    done = run_offline(
        "evaluate", *_vital(tmp_path, asked, corpus, queries), "--bundle", demo_bundle.folder, "--alpha", ALPHA,
        "--output", tmp_path / "report", "--study", "alpha",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    questions = _embed(encoder, [question["question"] for question in asked], Side.QUERY)
    vectors = _embed(encoder, [f"{each['title']} {each['text']}" for each in passages], Side.PASSAGE)
    fused = np.stack([
        (1 - ALPHA) * vector
        + ALPHA * _embed(encoder, texts[each["docid"]], Side.QUERY).sum(0)
        for vector, each in zip(vectors, passages, strict=True)
    ])  # fmt: skip
    report = read_report(tmp_path / "report")
    docids = [passage["docid"] for passage in passages]
    rows = [next(at for at, each in enumerate(asked) if each["id"] == question.id) for question in report.questions]
    for system, matrix in zip(report.systems[:2], (vectors, fused), strict=True):
        scores = questions @ (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).T
        own = scores[np.arange(len(asked)), [docids.index(question["docid"]) for question in asked]]
        ranks = (scores >= own[:, None]).sum(axis=1)[rows]
        assert system.scores["R@1"] == (ranks <= 1).tolist()
        assert system.scores["R@10"] == (ranks <= 10).tolist()
        np.testing.assert_allclose(np.array(system.scores["MRR@100"], float), 1 / ranks, atol=1e-6)
    langs = np.array([question.lang for question in report.questions])
    by_language = [
        np.mean(np.array(report.systems[1].scores["R@1"], float)[langs == lang]) for lang in sorted(set(langs))
    ]
    assert report.systems[1].means["R@1"]["macro"] == pytest.approx(np.mean(by_language))
    assert {"report.html", "report.md", "report.json", "qrels.txt"} <= {
        path.name for path in (tmp_path / "report").iterdir()
    }


def test_the_projects_own_questions_find_their_passages_and_the_report_says_what_was_done(
    tmp_path: Path, small_corpus: SmallCorpus, demo_bundle: Bundle, tiny_bundle: Bundle, run_offline: RunOffline
) -> None:
    arguments = _vital(tmp_path, _questions(), small_corpus.corpus, small_corpus.queries)

    done = run_offline(
        "evaluate", *arguments, "--bundle", demo_bundle.folder, "--bundle", tiny_bundle.folder,
        "--output", tmp_path / "report", "--alpha", ALPHA, "--leaks", "leave-out",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    report = read_report(tmp_path / "report")
    assert report.command[3] == "evaluate"
    assert [study.name for study in report.studies] == ["compare", "compare", "encoders"]
    assert report.systems[1].means["R@1"]["macro"] >= 6 / 7
    assert set(report.encoders.values()) == {demo_bundle.fingerprint, tiny_bundle.fingerprint}
    assert report.dataset.questions == {each.code: 1 for each in LANGUAGES}
    html = (tmp_path / "report" / "report.html").read_text()
    assert all(system.name.replace("+", "&#43;") in html or system.name in html for system in report.systems)


def test_a_question_that_was_fused_into_a_passage_is_caught_however_it_is_written(
    tmp_path: Path, small_corpus: SmallCorpus, demo_bundle: Bundle, run_offline: RunOffline
) -> None:
    lines = [json.loads(line) for line in small_corpus.queries.read_text().splitlines()]
    lines[0]["generated_queries"]["fi"].append("MIKÄ  on leaked-kysymys １?!")
    queries = _write(tmp_path / "queries.jsonl", lines)
    question = {"id": "leak", "lang": "fi", "question": "Mikä on leaked kysymys 1", "docid": lines[0]["docid"]}
    arguments = _vital(tmp_path, [question | {"answers": ["no"]}], small_corpus.corpus, queries)

    done = run_offline("evaluate", *arguments, "--bundle", demo_bundle.folder, "--output", tmp_path / "report")

    assert done.returncode == 3
    assert "leak" in done.stderr
    assert "--leaks leave-out" in done.stderr
    assert not (tmp_path / "report" / "report.json").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--study", "alphabet"], "there is no study 'alphabet'; give compare, alpha"),
        (["--study", "texts"], "has no translations"),
        (["--metric", "R@ten"], "R@ten"),
        (["--language", "sv"], "sv"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path,
    small_corpus: SmallCorpus,
    demo_bundle: Bundle,
    run_offline: RunOffline,
    options: list[str],
    problem: str,
) -> None:
    arguments = _vital(tmp_path, _questions(), small_corpus.corpus, small_corpus.queries)

    done = run_offline(
        "evaluate", *arguments, "--bundle", demo_bundle.folder, "--output", tmp_path / "report",
        "--leaks", "leave-out", *options,
    )  # fmt: skip

    assert done.returncode == 2
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_passages_without_queries_beside_others_are_refused_unless_allowed(
    tmp_path: Path, small_corpus: SmallCorpus, tiny_bundle: Bundle, run_offline: RunOffline
) -> None:
    queries = _write(
        tmp_path / "some.jsonl", [json.loads(line) for line in small_corpus.queries.read_text().splitlines()[1:]]
    )
    arguments = _vital(tmp_path, _questions(), small_corpus.corpus, queries)
    options = ["--bundle", tiny_bundle.folder, "--output", tmp_path / "report", "--leaks", "leave-out"]

    refused = run_offline("evaluate", *arguments, *options)
    allowed = run_offline("evaluate", *arguments, *options, "--allow-partial")

    assert refused.returncode == 3
    assert "--allow-partial" in refused.stderr
    assert allowed.returncode == 0
