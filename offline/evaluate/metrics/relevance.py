"""Relevance metrics against judged passages: R@k, MRR@k, nDCG@k, success@k, computed by ir-measures."""

import re
from collections.abc import Mapping, Sequence

import ir_measures
from ir_measures import Measure

from app.errors import ConfigurationError

_MEASURES: dict[str, Measure] = {
    "R": ir_measures.R,
    "MRR": ir_measures.RR,
    "nDCG": ir_measures.nDCG,
    "success": ir_measures.Success,
}
_NAME = re.compile(r"(\w+)@([1-9]\d*)")


def relevance_scores(
    rankings: Sequence[Sequence[str]], relevant: Sequence[Mapping[str, int]], metrics: Sequence[str]
) -> dict[str, list[float | None]]:
    """Every metric for every question; None where no passage is judged relevant.

    As trec_eval computes them: ``R@k`` is the share of the relevant passages among the first k,
    ``success@k`` whether there is one, ``MRR@k`` 1 / rank of the first (Craswell 2009), and
    ``nDCG@k`` the sum of grade / log2(rank + 1) over the best possible one (Järvelin and
    Kekäläinen 2002).  Without grades, ``R@k`` and ``success@k`` differ only where several
    passages are relevant.

    Args:
        rankings: per question the docids retrieved, best first, none twice.
        relevant: per question docid to grade; 0 is judged and not relevant.
        metrics: names such as ``R@10``.

    Returns:
        Metric to a score per question, 0 to 1.

    Raises:
        ConfigurationError: a metric is unknown.
    """
    measures = {_measure(name): name for name in metrics}
    judged = {
        str(row): dict(grades) for row, grades in enumerate(relevant) if any(grade > 0 for grade in grades.values())
    }
    # trec_eval sorts by score and breaks ties by docid.  The order given here is the one meant,
    # and it stays only under scores that fall with every rank.
    run = {
        str(row): {docid: float(-rank) for rank, docid in enumerate(ranking)} for row, ranking in enumerate(rankings)
    }
    scores: dict[str, list[float | None]] = {name: [None] * len(rankings) for name in metrics}
    if judged:
        for found in ir_measures.iter_calc(list(measures), judged, run):
            scores[measures[found.measure]][int(found.query_id)] = float(found.value)
    return scores


def hits_seen(name: str) -> int:
    """The k of a metric: how many hits it looks at.

    Raises:
        ConfigurationError: the metric is unknown.
    """
    _measure(name)
    return int(name.partition("@")[2])


def _measure(name: str) -> Measure:
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in _MEASURES:
        known = ", ".join(f"{base}@k" for base in _MEASURES)
        raise ConfigurationError(f"there is no metric {name}; give {known}, with a number for k")
    return _MEASURES[match[1]] @ int(match[2])
