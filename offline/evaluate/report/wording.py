"""Numbers and findings as every file of a report words them."""

import math
from collections.abc import Sequence
from typing import get_args

from app.languages import LANGUAGES
from offline.evaluate.report.model import MACRO, Comparison, Report, Verdict

NOTHING = "–"
"""Where there is no number."""
HOW_COMPARED = (
    "Questions are paired, and those about one passage count together, in all languages, since they are not "
    "independent. Confidence intervals by bootstrap over passages; p of the paired t-test with errors clustered by "
    "passage, of the paired sign-flip permutation test with a sign per passage, and of the latter after Holm over the "
    "languages. A question whose passage is not known stands alone. The verdict goes by the corrected permutation "
    "test at 0.05."
)
_MINUS = "−"
_LEAST_P = 0.0001
_NAMES = {language.code: language.name for language in LANGUAGES}


def language_name(code: str) -> str:
    """``ar`` -> ``Arabic``; what is no code of the seven languages is returned as it is."""
    return "macro average" if code == MACRO else _NAMES.get(code, code)


def language_label(code: str) -> str:
    """``ar`` -> ``Arabic (ar)``."""
    return f"{_NAMES[code]} ({code})" if code in _NAMES else language_name(code)


def macro_last(codes: Sequence[str]) -> list[str]:
    """The same codes, the average over them at the end."""
    return sorted(codes, key=lambda code: code == MACRO)


def percent(score: float | None) -> str:
    """``0.5031`` -> ``50.3``."""
    return NOTHING if score is None else _one_digit(100 * score)


def points(difference: float) -> str:
    """A difference of scores in percentage points: ``0.0402`` -> ``+4.0``."""
    return signed(100 * difference)


def signed(value: float) -> str:
    """One digit, with a sign unless it is nothing: ``+4.0``, ``−3.1``, ``0.0``."""
    text = _one_digit(value)
    return text if text in (NOTHING, "0.0") or text.startswith(_MINUS) else f"+{text}"


def interval(low: float, high: float) -> str:
    """``[+3.1, +4.9]``."""
    return f"[{points(low)}, {points(high)}]"


def p_value(p: float | None) -> str:
    """Four digits, or that it is smaller than they can say."""
    if p is None or math.isnan(p):
        return NOTHING
    return f"<{_LEAST_P}" if p < _LEAST_P else f"{p:.4f}"


def in_a_row(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def main_comparisons(report: Report) -> list[Comparison]:
    """What the report opens with: the most telling metric in the first study that compares."""
    study = next((study for study in report.studies if study.comparisons), None)
    if study is None:
        return []
    compared = [comparison.metric for comparison in study.comparisons]
    telling = next((metric for metric in report.metrics if metric in compared), compared[0])
    return [comparison for comparison in study.comparisons if comparison.metric == telling]


def finding(comparison: Comparison) -> str:
    """The comparison in sentences; of what the tests do not show, only that they do not."""
    sentences = []
    if (macro := comparison.rows.get(MACRO)) is not None:
        sentences.append(
            f"{comparison.metric}, macro average: {percent(macro.mean_a)} with {comparison.a}, "
            f"{percent(macro.mean_b)} with {comparison.b}: {points(macro.difference)} points "
            f"{interval(macro.ci_low, macro.ci_high)}, {macro.verdict}."
        )
    for verdict in get_args(Verdict):
        names = [language_name(c) for c, row in comparison.rows.items() if c != MACRO and row.verdict == verdict]
        if names:
            sentences.append(f"{verdict.capitalize()} in {in_a_row(names)}.")
    return " ".join(sentences)


def _one_digit(value: float) -> str:
    if math.isnan(value):
        return NOTHING
    text = f"{value:.1f}".replace("-", _MINUS)
    return "0.0" if text == f"{_MINUS}0.0" else text
