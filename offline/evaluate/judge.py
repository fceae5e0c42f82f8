"""Judge: every metric of a ranking, question by question."""

from collections.abc import Sequence

from offline.evaluate.dataset import Dataset
from offline.evaluate.metrics.answers import AnswerJudge
from offline.evaluate.metrics.relevance import relevance_scores
from offline.evaluate.ranking import Ranking

RELEVANCE = ("MRR@100", "R@1", "R@10", "R@100", "nDCG@10", "success@10")
ANSWERS = ("R@2kt", "R@5kt", "R@2kt strict", "R@5kt strict")
