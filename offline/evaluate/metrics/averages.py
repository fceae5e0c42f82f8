"""Averages of scores over questions and over languages."""

from collections.abc import Sequence
from statistics import fmean

from offline.evaluate.report.model import MACRO


def means(scores: Sequence[float | None], langs: Sequence[str]) -> dict[str, float]:
    """Mean per language, and under ``macro`` the mean of those means, as XOR-TyDi QA averages.

    Args:
        scores: per question; None is left out.
        langs: language of each question.

    Returns:
        Language, sorted, to mean, then ``macro``.  Languages without any score are left out;
        nothing at all where there is no score.
    """
    by_lang: dict[str, list[float]] = {}
    for score, lang in zip(scores, langs, strict=True):
        if score is not None:
            by_lang.setdefault(lang, []).append(score)
    found = {lang: fmean(by_lang[lang]) for lang in sorted(by_lang)}
    return found | {MACRO: fmean(found.values())} if found else {}
