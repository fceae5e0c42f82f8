"""Judge: the metrics of a ranking, question by question."""

import sys
from collections.abc import Sequence

from app.errors import ConfigurationError
from offline.evaluate.dataset import Dataset
from offline.evaluate.metrics.answers import (
    ANSWER_METRICS,
    TOKENS,
    answer_scores,
    first_tokens,
    holds_answer_alone,
    span_answers,
    word_tokens,
)
from offline.evaluate.metrics.relevance import hits_seen, relevance_scores
from offline.evaluate.ranking import Ranking

_RELEVANCE = ("MRR@100", "R@1", "R@10", "R@100", "nDCG@10", "success@10")
_COMPARED = ("MRR@100", "R@1", "R@10", "R@2kt", "R@5kt")


class Judge:
    """Scores rankings of one dataset by what it knows: relevant passages, answers, or both.

    Args:
        compared: metrics to compare and test, the most telling first; any that the dataset can be
            judged by.  By default MRR@100, R@1, R@10, R@2kt and R@5kt, as far as it can.
        depth: hits of the rankings to judge; what looks at more of them is left out.

    Raises:
        ConfigurationError: there is no such metric, it looks at more hits than there are, or the
            dataset cannot be judged by it, or by none at all.
    """

    def __init__(self, dataset: Dataset, compared: Sequence[str] = (), depth: int | None = None) -> None:
        self._docids = [passage.docid for passage in dataset.passages]
        # as the published runs of XOR-TyDi have it: the title is not part of what is read
        self._texts = [passage.text for passage in dataset.passages]
        self._relevant = [question.relevant for question in dataset.questions]
        self._answers = [question.answers for question in dataset.questions]
        most = sys.maxsize if depth is None or depth >= len(self._docids) else depth
        possible: list[str] = []
        if any(self._relevant):
            possible += [name for name in _RELEVANCE if hits_seen(name) <= most]
        if any(map(span_answers, self._answers)):
            possible += ANSWER_METRICS
        if not possible:
            raise ConfigurationError(f"{dataset.name}: no question has a relevant passage or an answer to judge by")
        for name in compared:
            if name in ANSWER_METRICS and name not in possible:
                raise ConfigurationError(f"--metric {name}: no question of {dataset.name} has an answer")
            if name not in ANSWER_METRICS and hits_seen(name) > most:
                raise ConfigurationError(f"--metric {name} looks at more hits than --depth {depth} gives")
            if name not in ANSWER_METRICS and not any(self._relevant):
                raise ConfigurationError(f"--metric {name}: {dataset.name} knows answers, but no relevant passages")
        self.compared = list(dict.fromkeys(compared)) or [name for name in _COMPARED if name in possible]
        self.metrics = list(dict.fromkeys([*self.compared, *possible]))
        """All that the dataset can be judged by, the compared ones first."""

    def scores(self, ranking: Ranking, metrics: Sequence[str]) -> dict[str, list[float | None]]:
        """Metric to a score per question, 0 to 1; None where a metric does not apply to it."""
        scores: dict[str, list[float | None]] = {}
        by_relevance = [name for name in metrics if name not in ANSWER_METRICS]
        if by_relevance:
            rankings = [[self._docids[row] for row in rows] for rows in ranking.rows.tolist()]
            scores |= relevance_scores(rankings, self._relevant, by_relevance)
        if len(by_relevance) < len(metrics):
            each = [
                answer_scores((self._texts[row] for row in rows), answers)
                for rows, answers in zip(ranking.rows.tolist(), self._answers, strict=True)
            ]
            scores |= {name: [one[name] for one in each] for name in metrics if name in ANSWER_METRICS}
        return {name: scores[name] for name in metrics}

    def ended_early(self, ranking: Ranking) -> dict[str, int]:
        """Metric to how many questions' hits hold fewer tokens than it reads, where there are such.

        They have less text to find an answer in than the metric's name promises: more hits would help.
        """
        read = [name for name in self.compared if name in TOKENS]
        if not read or ranking.rows.shape[1] >= len(self._docids):  # no more hits to be had
            return {}
        most = max(TOKENS[name] for name in read)
        held = [
            len(first_tokens((self._texts[row] for row in rows), most))
            for rows, answers in zip(ranking.rows.tolist(), self._answers, strict=True)
            if span_answers(answers)
        ]
        early = {name: sum(tokens < TOKENS[name] for tokens in held) for name in read}
        return {name: count for name, count in early.items() if count}

    def ranks(self, ranking: Ranking) -> list[int | None]:
        """Rank, from 1, of each question's first passage that answers it; None where none of the hits does.

        That is a relevant passage, or, where the dataset knows none for a question, one that holds
        an answer on its own.
        """
        return [
            next((rank for rank, row in enumerate(rows, 1) if self._answers_it(question, row)), None)
            for question, rows in enumerate(ranking.rows.tolist())
        ]

    def _answers_it(self, question: int, row: int) -> bool:
        if self._relevant[question]:
            return self._relevant[question].get(self._docids[row], 0) > 0
        spans = span_answers(self._answers[question])
        return bool(spans) and holds_answer_alone(" ".join(word_tokens(self._texts[row])), spans)
