"""Files for other tools are read back by other tools, with the same numbers."""

import json
from pathlib import Path
from urllib.parse import unquote

import ir_measures
import numpy as np
import pytest

from offline.evaluate.dataset import Question
from offline.evaluate.metrics.relevance import relevance_scores
from offline.evaluate.report.model import RetrievedPassage, System
from offline.evaluate.trec import write_qrels, write_run, write_submission

NAMES = ["Lake Nasser", "100% Cotton", "a\tb", "No-break\u00a0space", "%20", "Äänekoski", "ナイル川　", "Lake%20Nasser"]


def system(top: list[list[tuple[str, float]]]) -> System:
    hits = [[RetrievedPassage(docid=docid, score=score) for docid, score in ranking] for ranking in top]
    return System(name="s", encoder="f", description="", alpha=0, scores={}, means={}, top=hits)


def test_a_run_has_six_columns_and_judgements_have_four(tmp_path: Path) -> None:
    questions = [Question("q 1", "fi", "?", {"Lake Nasser": 2, "Nile": 0}), Question("q2", "fi", "?")]
    write_run(tmp_path / "run", system([[("Lake Nasser", 0.75), ("Nile", 0.5)], []]), questions, "e5 xQG")
    write_qrels(tmp_path / "qrels", questions)
    assert (tmp_path / "run").read_text() == "q%201 Q0 Lake%20Nasser 1 0.75 e5%20xQG\nq%201 Q0 Nile 2 0.5 e5%20xQG\n"
    assert (tmp_path / "qrels").read_text() == "q%201 0 Lake%20Nasser 2\nq%201 0 Nile 0\n"


def test_names_come_back_as_they_were(tmp_path: Path) -> None:
    questions = [Question(name, "fi", "?", dict.fromkeys(NAMES, 1)) for name in NAMES]
    write_run(tmp_path / "run", system([[(name, 1.0) for name in NAMES]] * len(NAMES)), questions, "t")
    write_qrels(tmp_path / "qrels", questions)
    run = list(ir_measures.read_trec_run(str(tmp_path / "run")))
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels")))
    expected = [(question, docid) for question in NAMES for docid in NAMES]
    assert [(unquote(line.query_id), unquote(line.doc_id)) for line in run] == expected
    assert [(unquote(line.query_id), unquote(line.doc_id)) for line in qrels] == expected


def test_ir_measures_reads_a_run_and_finds_the_same_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    docids = [f"Passage {number}" for number in range(50)]
    top, questions = [], []
    for number in range(40):
        # a few scores for many passages: ties, which trec_eval would break by docid
        scores = sorted(rng.choice([0.1, 0.7, 0.7 + 1e-12, 0.9], 50).tolist(), reverse=True)
        top.append(list(zip(rng.permutation(docids).tolist(), scores, strict=True)))
        relevant = {docid: int(rng.integers(1, 3)) for docid in rng.choice(docids, 3, replace=False).tolist()}
        questions.append(Question(f"q {number}", "fi", "?", relevant))
    write_run(tmp_path / "run", system(top), questions, "t")
    write_qrels(tmp_path / "qrels", questions)

    rankings = [[docid for docid, _ in ranking] for ranking in top]
    ours = relevance_scores(rankings, [question.relevant for question in questions], ["R@10", "MRR@10", "nDCG@10"])
    measures = [ir_measures.R @ 10, ir_measures.RR @ 10, ir_measures.nDCG @ 10]
    theirs = ir_measures.calc_aggregate(
        measures,
        list(ir_measures.read_trec_qrels(str(tmp_path / "qrels"))),
        list(ir_measures.read_trec_run(str(tmp_path / "run"))),
    )
    assert [theirs[measure] for measure in measures] == pytest.approx([np.mean(found) for found in ours.values()])


@pytest.mark.parametrize("scores", [[0.5] * 5, [0.0] * 5, [1e30, 1.0, 1.0, -2.0, -2.0], [0.25, 0.5, 0.75, 1.0, 1.25]])
def test_scores_fall_with_every_rank_even_as_float32(tmp_path: Path, scores: list[float]) -> None:
    hits = [(str(rank), score) for rank, score in enumerate(scores)]
    write_run(tmp_path / "run", system([hits]), [Question("q", "fi", "?")], "t")
    written = np.array([line.score for line in ir_measures.read_trec_run(str(tmp_path / "run"))], np.float32)
    assert (np.diff(written) < 0).all()
    assert written[0] == np.float32(scores[0])


def test_a_submission_is_a_list_of_texts_under_official_ids(tmp_path: Path) -> None:
    questions = [Question("-4988606", "bn", "?"), Question("ja:826752", "ja", "?")]
    texts = {"Lake Nasser": "It is a lake.", "Nile": "The Nile 川 flows."}
    write_submission(tmp_path / "s.json", system([[("Nile", 0.9), ("Lake Nasser", 0.8)], []]), questions, texts)
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == [
        {"id": "-4988606", "lang": "bn", "ctxs": ["The Nile 川 flows.", "It is a lake."]},
        {"id": "826752", "lang": "ja", "ctxs": []},
    ]
