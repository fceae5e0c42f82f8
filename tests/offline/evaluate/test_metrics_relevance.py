"""Relevance metrics and averages are arithmetic, so they are tested as arithmetic."""

import math

import numpy as np
import pytest

from app.errors import ConfigurationError
from offline.evaluate.metrics.averages import means
from offline.evaluate.metrics.relevance import relevance_scores


def test_metrics_of_a_ranking_with_two_relevant_passages() -> None:
    metrics = ["R@1", "R@2", "R@3", "MRR@1", "MRR@10", "success@1", "success@10", "nDCG@10"]
    scores = relevance_scores([["a", "b", "c"]], [{"b": 1, "c": 1, "z": 0}], metrics)
    discounted = 1 / math.log2(3) + 1 / math.log2(4)
    assert {name: found for name, [found] in scores.items()} == {
        "R@1": 0,
        "R@2": 0.5,
        "R@3": 1,
        "MRR@1": 0,
        "MRR@10": 0.5,
        "success@1": 0,
        "success@10": 1,
        "nDCG@10": pytest.approx(discounted / (1 + 1 / math.log2(3))),
    }


def test_grades_are_the_gains_of_ndcg() -> None:
    scores = relevance_scores([["a", "b"]], [{"a": 1, "b": 3}], ["nDCG@1", "nDCG@10"])
    assert scores["nDCG@1"] == [pytest.approx(1 / 3)]
    assert scores["nDCG@10"] == [pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)))]


def test_a_question_without_a_relevant_passage_has_no_score() -> None:
    scores = relevance_scores([["a"], ["a"], ["a"]], [{}, {"a": 1}, {"a": 0}], ["R@1", "MRR@10"])
    assert scores == {"R@1": [None, 1, None], "MRR@10": [None, 1, None]}
    assert relevance_scores([["a"]], [{}], ["R@1"]) == {"R@1": [None]}
    assert relevance_scores([], [], ["R@1"]) == {"R@1": []}


def test_a_question_for_which_nothing_was_retrieved_scores_nought() -> None:
    metrics = ["R@1", "MRR@10", "nDCG@10", "success@10"]
    assert relevance_scores([[], ["a"]], [{"a": 1}, {"a": 1}], metrics) == {name: [0, 1] for name in metrics}


def test_the_order_given_is_the_order_scored_whatever_the_docids() -> None:
    docids = [f"{number:04}" for number in range(3_000)]
    for ranking in (docids, docids[::-1]):
        relevant = {ranking[2_499]: 1}
        assert relevance_scores([ranking], [relevant], ["R@2499", "R@2500"]) == {"R@2499": [0], "R@2500": [1]}


def test_metrics_agree_with_numpy_on_random_rankings() -> None:
    rng = np.random.default_rng(7)
    docids = np.array([f"Passage {number}" for number in range(60)])
    rankings, relevant, expected = [], [], []
    discounts = 1 / np.log2(np.arange(2, 12))
    for _ in range(200):
        ranking = rng.permutation(60)[:40]
        grades = np.zeros(60, int)
        judged = rng.choice(60, rng.integers(1, 8), replace=False)
        grades[judged] = rng.integers(1, 4, len(judged))
        gains = grades[ranking]
        first = np.flatnonzero(gains[:10])
        expected.append(
            [
                np.mean(np.isin(np.flatnonzero(grades), ranking[:10])),
                1 / (1 + first[0]) if len(first) else 0,
                gains[:10] @ discounts / (np.sort(grades)[::-1][:10] @ discounts),
                gains[:10].any(),
            ]
        )
        rankings.append(docids[ranking].tolist())
        relevant.append({docid: int(grade) for docid, grade in zip(docids, grades, strict=True) if grade})
    scores = relevance_scores(rankings, relevant, ["R@10", "MRR@10", "nDCG@10", "success@10"])
    np.testing.assert_allclose(np.array(list(scores.values())).T, expected)


@pytest.mark.parametrize("name", ["R", "R@", "R@0", "R@ten", "MAP@10", "recall@10", "R@10 strict"])
def test_an_unknown_metric_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"R@k, MRR@k, nDCG@k, success@k"):
        relevance_scores([["a"]], [{"a": 1}], [name])


def test_every_language_weighs_the_same_in_the_macro_average() -> None:
    scores = [1.0, 0.0, 0.0, 0.0, 1.0]
    langs = ["ko", "ko", "ko", "ko", "ar"]
    assert means(scores, langs) == {"ar": 1, "ko": 0.25, "macro": 0.625}


def test_what_has_no_score_is_left_out_of_the_averages() -> None:
    assert means([None, 0.5, None], ["fi", "fi", "te"]) == {"fi": 0.5, "macro": 0.5}
    assert means([None], ["fi"]) == {}
