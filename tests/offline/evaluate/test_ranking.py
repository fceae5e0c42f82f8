"""Exact search over fused vectors, against a loop that fuses for each question anew."""

import numpy as np
import pytest

from offline.evaluate.ranking import Fusion, rank
from offline.evaluate.selections import places
from tests.offline.evaluate.hand_made import LANGUAGES, PASSAGES, embedded


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("alpha", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("languages", [("ar", "fi", "te"), ("fi",)])
def test_a_question_sees_its_own_passage_without_itself_and_its_translations(
    similarity: str, alpha: float, languages: tuple[str, ...]
) -> None:
    given = embedded(similarity)
    texts = given.texts["queries"]
    selected = np.isin(texts.langs, languages)

    ranking = rank(given, Fusion("queries", selected, alpha), depth=PASSAGES)

    for asked, question in enumerate(given.dataset.questions):
        vectors = []
        for row in range(PASSAGES):
            own = [
                text
                for text, each in enumerate(texts.texts)
                if texts.rows[text] == row and selected[text] and each.source != question.source
            ]
            vectors.append((1 - alpha) * given.passages[row] + alpha * texts.vectors[own].sum(axis=0))
        passages, asking = np.array(vectors), given.questions[asked]
        if similarity == "cosine":
            passages = passages / np.linalg.norm(passages, axis=1, keepdims=True)
            asking = asking / np.linalg.norm(asking)
        expected = passages @ asking
        np.testing.assert_allclose(ranking.scores[asked], np.sort(expected)[::-1], atol=1e-5)
        np.testing.assert_allclose(expected[ranking.rows[asked]], ranking.scores[asked], atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_another_text_stands_in_for_one_that_is_left_out_where_only_so_many_are_fused(count: int) -> None:
    given = embedded("dot")
    texts = given.texts["queries"]
    drawn = places(texts, np.random.default_rng(5))

    ranking = rank(given, Fusion("queries", drawn < count, 0.2, drawn), depth=PASSAGES)

    for asked, question in enumerate(given.dataset.questions):
        expected = []
        for row in range(PASSAGES):
            total = np.zeros(4)
            for lang in LANGUAGES:
                own = [
                    text
                    for text in np.argsort(drawn, kind="stable")
                    if (texts.rows[text], texts.langs[text]) == (row, lang)
                    and texts.texts[text].source != question.source
                ]
                total += texts.vectors[own[:count]].sum(axis=0)
            expected.append((0.8 * given.passages[row] + 0.2 * total) @ given.questions[asked])
        np.testing.assert_allclose(ranking.scores[asked], np.sort(expected)[::-1], atol=1e-5)


def test_with_nothing_left_out_every_question_sees_the_same_vectors() -> None:
    given = embedded("dot", leave_out=False)
    texts = given.texts["queries"]
    fused = 0.9 * given.passages + 0.1 * np.stack([texts.vectors[texts.rows == row].sum(0) for row in range(PASSAGES)])

    ranking = rank(given, Fusion("queries", texts.all(), 0.1), depth=5)

    scores = given.questions @ fused.T
    np.testing.assert_array_equal(ranking.rows, np.argsort(-scores, axis=1)[:, :5])


def test_nothing_fused_is_the_passages_as_they_are() -> None:
    given = embedded("dot")
    none = np.zeros(len(given.texts["queries"].texts), np.bool_)

    plain, fused = rank(given, None, 7), rank(given, Fusion("queries", none, 0.3), 7)

    np.testing.assert_array_equal(plain.rows, fused.rows)
    np.testing.assert_array_equal(plain.rows, np.argsort(-(given.questions @ given.passages.T), axis=1)[:, :7])


def test_equal_scores_come_in_corpus_order() -> None:
    given = embedded("dot")
    given.passages[:] = given.passages[0]

    for depth in (3, PASSAGES):
        assert rank(given, None, depth).rows.tolist() == [list(range(depth))] * len(given.questions)


def test_a_search_in_blocks_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    given = embedded()
    fusion = Fusion("queries", given.texts["queries"].all(), 0.05)
    whole = rank(given, fusion, 5)

    monkeypatch.setattr("offline.evaluate.ranking._SCORES_AT_ONCE", 7 * PASSAGES)

    np.testing.assert_array_equal(rank(given, fusion, 5).rows, whole.rows)
