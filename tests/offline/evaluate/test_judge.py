"""What a ranking is judged by."""

import dataclasses

import numpy as np
import pytest

from app.errors import ConfigurationError
from app.passages import Passage
from offline.evaluate.dataset import Dataset, Question
from offline.evaluate.judge import Judge
from offline.evaluate.ranking import Ranking, rank
from tests.offline.evaluate.hand_made import embedded

PASSAGES = [Passage("a", "1963", "Born in 1953."), Passage("b", "", "It was 1963."), Passage("c", "", "Nothing here.")]
BOTH = Dataset(
    "both",
    {},
    PASSAGES,
    [
        Question("q1", "ar", "?", {"c": 1}, ("1963",)),
        Question("q2", "ru", "?", {}, ("1963",)),
        Question("q3", "ru", "?", {}, ("yes",)),
    ],
    {},
)
RANKING = Ranking(np.array([[0, 1, 2]] * 3), np.zeros((3, 3), np.float32))


def test_each_question_is_judged_by_what_is_known_of_it() -> None:
    scores = Judge(BOTH).scores(RANKING, ["MRR@100", "R@1", "R@2kt"])

    assert scores == {"MRR@100": [pytest.approx(1 / 3), None, None], "R@1": [0, None, None], "R@2kt": [1, 1, None]}


def test_the_rank_is_that_of_a_relevant_passage_or_else_of_one_that_holds_an_answer_in_its_text() -> None:
    assert Judge(BOTH).ranks(RANKING) == [3, 2, None]


def test_ranks_agree_with_the_reciprocal_ranks() -> None:
    given = embedded()
    judge, ranking = Judge(given.dataset), rank(given, None, 5)

    reciprocal = judge.scores(ranking, ["MRR@100"])["MRR@100"]

    assert reciprocal == [pytest.approx(1 / found if found else 0) for found in judge.ranks(ranking)]


def test_what_looks_at_more_hits_than_there_are_is_left_out_or_refused() -> None:
    given = embedded()

    assert Judge(given.dataset, depth=10).metrics == ["R@1", "R@10", "nDCG@10", "success@10"]
    assert "R@100" in Judge(given.dataset, depth=20).metrics, "all passages are hits"
    with pytest.raises(ConfigurationError, match="R@11 looks at more hits than --depth 10"):
        Judge(given.dataset, ["R@11"], depth=10)
    with pytest.raises(ConfigurationError, match="no metric R10"):
        Judge(given.dataset, ["R10"])


def test_what_is_compared_by_default_is_what_the_dataset_can_be_judged_by() -> None:
    by_answers = dataclasses.replace(BOTH, questions=BOTH.questions[1:])

    assert Judge(BOTH).compared == ["MRR@100", "R@1", "R@10", "R@2kt", "R@5kt"]
    assert Judge(by_answers).compared == ["R@2kt", "R@5kt"]
    assert Judge(BOTH, ["nDCG@7"]).metrics[0] == "nDCG@7"


@pytest.mark.parametrize(
    ("questions", "asked", "problem"),
    [
        ([Question("q", "ar", "?", {"a": 1})], ["R@2kt"], "no question of both has an answer"),
        ([Question("q", "ar", "?", {}, ("1963",))], ["R@10"], "no relevant passages"),
        ([Question("q", "ar", "?", {}, ("yes",))], [], "to judge by"),
    ],
)
def test_a_metric_that_the_dataset_knows_nothing_of_is_refused(
    questions: list[Question], asked: list[str], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Judge(dataclasses.replace(BOTH, questions=questions), asked)


def test_hits_that_hold_fewer_tokens_than_a_metric_reads_are_counted() -> None:
    long = Passage("long", "", "word " * 2_500)
    judge = Judge(dataclasses.replace(BOTH, passages=[*PASSAGES, long]))

    def early(*rows: int) -> dict[str, int]:
        return judge.ended_early(Ranking(np.array([rows] * 3), np.zeros((3, len(rows)), np.float32)))

    assert early(0, 1) == {"R@2kt": 2, "R@5kt": 2}, "a yes/no question has no answer to find"
    assert early(0, 3) == {"R@5kt": 2}
    assert early(3, 0, 1, 2) == {}, "all passages are hits"
