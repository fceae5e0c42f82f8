"""The studies' figures, against a few lines of NumPy that fuse for every question anew."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Findings, describe
from offline.evaluate.judge import Judge
from offline.evaluate.ranking import Fusion
from offline.evaluate.report.model import Table
from offline.evaluate.studies.alpha import GRID, against_alpha
from offline.evaluate.studies.compare import without_and_with
from offline.evaluate.studies.encoders import PUBLISHED, side_by_side
from offline.evaluate.studies.languages import across_languages
from offline.evaluate.studies.queries import against_queries
from offline.evaluate.studies.texts import queries_against_translations
from tests.conftest import QUIET
from tests.offline.evaluate.hand_made import LANGUAGES, PASSAGES, PER_LANGUAGE, embedded

ALPHA, METRIC = 0.3, "R@3"


@pytest.fixture(scope="module")
def given() -> EmbeddedDataset:
    return embedded()


@pytest.fixture(scope="module")
def evaluation(given: EmbeddedDataset) -> Evaluation:
    return Evaluation(given.dataset, Judge(given.dataset, [METRIC]), ALPHA, QUIET, seed=1, depth=PASSAGES)


def recall(given: EmbeddedDataset, alpha: float, fused: Sequence[str], kind: str = "queries") -> dict[str, float]:
    """R@3 in per cent of each language and macro, by definition."""
    texts = given.texts[kind]  # type: ignore[index]
    found: dict[str, list[bool]] = {lang: [] for lang in LANGUAGES}
    for asked, question in enumerate(given.dataset.questions):
        scores = []
        for row in range(PASSAGES):
            own = [
                vector
                for vector, at, lang, text in zip(texts.vectors, texts.rows, texts.langs, texts.texts, strict=True)
                if at == row and lang in fused and text.source != question.source
            ]
            vector = (1 - alpha) * given.passages[row] + alpha * np.sum(own, axis=0) if own else given.passages[row]
            scores.append(vector @ given.questions[asked] / np.linalg.norm(vector))
        best = np.argsort(-np.array(scores))[:3]
        found[question.lang].append(any(f"p{row}" in question.relevant for row in best))
    means = {lang: 100 * float(np.mean(hits)) for lang, hits in found.items()}
    return means | {"macro": float(np.mean(list(means.values())))}


def column(table: Table, name: str) -> dict[str, str]:
    """First cell of each row to its cell in a column."""
    at = table.columns.index(name)
    return {row[0]: row[at] for row in table.rows}


def row_of(table: Table, first: str) -> dict[str, str]:
    """Column to cell of the row that begins so."""
    (row,) = [row for row in table.rows if row[0] == first]
    return dict(zip(table.columns, row, strict=True))


def same(cells: dict[str, str], expected: dict[str, float]) -> None:
    for lang, value in expected.items():
        assert cells[lang] == f"{value:.1f}", lang


def tables(findings: Findings) -> list[Table]:
    return findings.study.tables


def test_compare_measures_without_and_with_every_query_but_the_tested(
    given: EmbeddedDataset, evaluation: Evaluation
) -> None:
    findings = without_and_with(evaluation, given)

    plain, fused = findings.systems
    for system, expected in ((plain, recall(given, 0, [])), (fused, recall(given, ALPHA, LANGUAGES))):
        assert {lang: 100 * mean for lang, mean in system.means[METRIC].items()} == pytest.approx(expected)
    same(column(tables(findings)[0], f"{METRIC} + xQG"), recall(given, ALPHA, LANGUAGES))
    assert [len(hits) for hits in fused.top] == [PASSAGES] * len(given.dataset.questions)


def test_the_drill_down_shows_passages_that_moved_and_no_text_that_was_left_out(
    given: EmbeddedDataset, evaluation: Evaluation
) -> None:
    findings = without_and_with(evaluation, given)
    plain, fused = findings.systems
    questions = {question.id: (row, question) for row, question in enumerate(given.dataset.questions)}

    assert {each.change for each in findings.study.changed} == {"gained", "lost"}
    for each in findings.study.changed:
        row, question = questions[each.question]
        assert each.docid in question.relevant
        for system, rank in ((plain, each.rank_a), (fused, each.rank_b)):
            assert rank is not None
            assert system.top[row][rank - 1].docid == each.docid
            assert (rank <= 10) == ((system is fused) == (each.change == "gained"))
        assert len(each.nearest) == 3
        assert all(near.text.split()[1:] != question.text.split()[1:] for near in each.nearest)


def test_the_alpha_study_measures_every_alpha(given: EmbeddedDataset, evaluation: Evaluation) -> None:
    (table,) = tables(against_alpha(evaluation, given))

    assert [row[0] for row in table.rows] == [f"{alpha:g}" for alpha in sorted({*GRID, ALPHA})]
    for alpha in (0, 0.05, ALPHA, 1):
        same(row_of(table, f"{alpha:g}"), recall(given, alpha, LANGUAGES))


def test_the_queries_study_goes_from_none_to_all(given: EmbeddedDataset, evaluation: Evaluation) -> None:
    (table,) = tables(against_queries(evaluation, given))

    assert [row[0] for row in table.rows] == [str(count) for count in range(PER_LANGUAGE + 1)]
    same(row_of(table, "0"), recall(given, ALPHA, []))
    same(row_of(table, str(PER_LANGUAGE)), recall(given, ALPHA, LANGUAGES))


def test_the_languages_study_fuses_each_alone_all_but_each_and_so_many(
    given: EmbeddedDataset, evaluation: Evaluation
) -> None:
    matrix, left_out, by_number = tables(across_languages(evaluation, given))

    same(column(matrix, "none"), recall(given, ALPHA, []))
    same(column(matrix, "fi"), recall(given, ALPHA, ["fi"]))
    same(column(matrix, "all"), recall(given, ALPHA, LANGUAGES))
    for lang in LANGUAGES:
        others = [each for each in LANGUAGES if each != lang]
        assert row_of(left_out, lang)["others' queries alone"] == f"{recall(given, ALPHA, others)[lang]:.1f}"
    pairs = [recall(given, ALPHA, [each for each in LANGUAGES if each != lang]) for lang in LANGUAGES]
    assert row_of(by_number, "2")["macro"] == f"{np.mean([pair['macro'] for pair in pairs]):.1f}"
    assert row_of(by_number, "2")["choices"] == "3"


def test_the_texts_study_gives_each_kind_the_alpha_that_was_best_on_the_other_half(
    given: EmbeddedDataset, evaluation: Evaluation
) -> None:
    findings = queries_against_translations(evaluation, given)

    (table,) = tables(findings)
    assert [row[:2] for row in table.rows] == [
        ["none", "0"],
        *([kind, str(size)] for kind in ("queries", "translations") for size in (1, 2, 3)),
    ]
    for kind in ("queries", "translations"):
        best = max(recall(given, alpha, LANGUAGES, kind)["macro"] for alpha in GRID)
        (row,) = [row for row in table.rows if row[:2] == [kind, "3"]]
        assert float(row[table.columns.index("macro")]) <= best + 0.05, "chosen elsewhere, it cannot beat the best"
    assert [(each.a, each.b) for each in findings.study.comparisons] == [
        ("random + translations in ar,fi,te", "random + queries in ar,fi,te")
    ]


def test_every_study_does_with_languages_that_have_no_score(given: EmbeddedDataset) -> None:
    questions = [replace(each, answers=("passage",) if each.lang == "ar" else ()) for each in given.dataset.questions]
    partly = replace(given, dataset=replace(given.dataset, questions=questions))
    evaluation = Evaluation(partly.dataset, Judge(partly.dataset, ["R@2kt"]), ALPHA, QUIET, depth=PASSAGES)
    pair = without_and_with(evaluation, partly).systems

    findings = [
        against_alpha(evaluation, partly),
        against_queries(evaluation, partly),
        across_languages(evaluation, partly),
        queries_against_translations(evaluation, partly),
        side_by_side(evaluation, [(pair[0], pair[1])]),
    ]

    for each in findings:
        first = tables(each)[0]
        shown = row_of(first, "fi")["all"] if "none" in first.columns else first.rows[-1][first.columns.index("fi")]
        assert shown == "–"


def test_what_is_fused_unequally_is_said_to_be(given: EmbeddedDataset, evaluation: Evaluation) -> None:
    texts = given.texts["queries"]
    lacking = (texts.rows != 0) | (texts.langs != "fi")

    assert "unequally" not in describe(given, Fusion("queries", texts.all(), ALPHA))
    assert describe(given, Fusion("queries", lacking, ALPHA)).endswith("unequally: 0 to 3 a language")


def test_the_drill_down_names_only_texts_that_were_fused(given: EmbeddedDataset) -> None:
    few = Evaluation(given.dataset, Judge(given.dataset, [METRIC]), ALPHA, QUIET, depth=PASSAGES, per_language=1)
    fused = given.texts["queries"]
    selected = {fused.texts[row].text for row in np.flatnonzero(few.fusion(given).selected)}

    changed = without_and_with(few, given).study.changed

    assert changed
    assert all(near.text in selected for each in changed for near in each.nearest)


def test_encoders_are_laid_out_beside_what_was_published(given: EmbeddedDataset, evaluation: Evaluation) -> None:
    plain, fused = without_and_with(evaluation, given).systems

    measured, published = tables(side_by_side(evaluation, [(plain, fused)]))

    same(row_of(measured, "random"), recall(given, 0, []))
    same(row_of(measured, "random + xQG"), recall(given, ALPHA, LANGUAGES))
    assert [row[0] for row in published.rows] == list(PUBLISHED)
    assert row_of(published, "mBERT, zero-shot")["difference"] == "+3.0"
