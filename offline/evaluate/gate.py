"""The gate: retrieval may not get worse than a report says that it was.

Questions are paired by id with those of the baseline, and a language fails where both hold: its
mean fell by more than ``max_drop``, and the fall is significant (Holm over the languages, as in
``significance``).  The average over languages is held to the same, since a little lost everywhere
may show there alone.  Every metric that the baseline compared is looked at.  Chance alone fails a
gate of one metric in at most one case of twenty, 2.5 % for a language and 2.5 % for the average.

What a gate cannot see is said, not passed over: a fall that so few questions do not show, and
languages in which no fall could be.
"""

import functools
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from app.errors import ConfigurationError, GateFailed
from offline.evaluate.clusters import unit_of
from offline.evaluate.report.folder import REPORT, read_report
from offline.evaluate.report.model import MACRO, AskedQuestion, ComparedLanguage, Comparison, Report, System
from offline.evaluate.report.terminal import comparison_table
from offline.evaluate.report.wording import p_value, percent
from offline.evaluate.significance import LEVEL, compare

_LEAST_SHARED = 0.5
_NAMED = 6
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Baseline:
    """The report that retrieval is held to."""

    path: Path
    report: Report
    system: System
    """With xQG, of the last encoder that was compared."""

    @classmethod
    def open(cls, path: Path) -> "Baseline":
        """Read a ``report.json``, or that of a folder.

        Raises:
            ConfigurationError: there is none, or it is of another version, or has nothing to hold anything to.
        """
        report = read_report(path)
        path = path / REPORT if path.is_dir() else path
        by_name = {system.name: system for system in report.systems}
        compared = [
            study.comparisons[-1].b for study in report.studies if study.name == "compare" and study.comparisons
        ]
        system = by_name.get(compared[-1]) if compared else None
        if system is None or not report.metrics:
            raise ConfigurationError(
                f"{path} compares nothing, so nothing can be held to it; evaluate the baseline again"
            )
        for metric in report.metrics:
            if len(system.scores.get(metric, ())) != len(report.questions):
                raise ConfigurationError(f"{path} lacks scores by {metric}; evaluate the baseline again")
        return cls(path, report, system)

    def check_metrics(self, judged: Collection[str]) -> None:
        """Raises ConfigurationError where a metric of the baseline is not among those that are judged by now."""
        lacking = [metric for metric in self.report.metrics if metric not in judged]
        if lacking:
            raise ConfigurationError(
                f"{self.path} is judged by {', '.join(lacking)}, and this evaluation is not; give "
                f"{' '.join(f'--metric {metric}' for metric in lacking)}, and the same dataset"
            )


@dataclass(frozen=True, slots=True)
class Paired:
    """Questions that the baseline and the candidate have in common."""

    baseline_rows: list[int]
    candidate_rows: list[int]
    langs: list[str]
    """Language of each."""
    units: list[str]
    """What each is drawn with (``clusters.unit_of``)."""
    gone: int
    """Questions of the baseline alone."""
    new: int
    """Questions of the candidate alone."""
    changed: int
    """Questions with the same id that are worded or judged otherwise; they are left out."""


def hold_to(
    baseline: Baseline,
    questions: Sequence[AskedQuestion],
    system: System,
    passages: int,
    max_drop: float,
    console: Console,
) -> None:
    """Print how the system compares with the baseline, language by language, and refuse a regression.

    Args:
        questions: those that the system was asked; its scores are in this order.
        passages: how many it searched.
        max_drop: how much a mean may fall, 0 to 1: 0.01 is one point.

    Raises:
        GateFailed: names language, metric, both means and p of each regression.
        ConfigurationError: too few questions in common, or the system was not scored by a metric of
            the baseline.
    """
    baseline.check_metrics(system.scores)
    paired = pair(baseline, questions)
    before = _of_rows(baseline.system, paired.baseline_rows, "baseline")
    now = _of_rows(system, paired.candidate_rows, "now")
    comparisons = [
        compare(before, now, metric, paired.langs, baseline.report.seed, paired.units)
        for metric in baseline.report.metrics
    ]
    console.print(f"held to {baseline.path}: {baseline.system.name} ({baseline.system.description})")
    console.print(f"  now: {system.name} ({system.description})")
    for what, count in (
        ("of its questions are not asked here", paired.gone),
        ("questions here are not in it", paired.new),
        ("questions are worded or judged otherwise, and left out", paired.changed),
    ):
        if count:
            console.print(f"  {count:,} {what}")
    if passages != baseline.report.dataset.passages:
        console.print(
            f"  it searched {baseline.report.dataset.passages:,} passages, this one {passages:,}: with more of them "
            "the same questions are harder"
        )
    for comparison in comparisons:
        title = f"{comparison.metric}, %"
        console.print(
            comparison_table(comparison, title, "baseline", "now", functools.partial(_outcome, max_drop=max_drop))
        )
    for warning in warnings(comparisons, max_drop, paired):
        console.print(f"warning: {warning}")
    found = regressions(comparisons, max_drop)
    if found:
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise GateFailed(
            f"worse than {baseline.path} by more than {100 * max_drop:g} points: {'; '.join(found[:_NAMED])}{more}"
        )


def pair(baseline: Baseline, questions: Sequence[AskedQuestion]) -> Paired:
    """Pair questions by id.

    Raises:
        ConfigurationError: of some language of the baseline fewer than half the questions are there.
    """
    asked = {question.id: row for row, question in enumerate(questions)}
    pairs: list[tuple[int, int]] = []
    gone = changed = 0
    for row, question in enumerate(baseline.report.questions):
        other = asked.get(question.id)
        if other is None:
            gone += 1
        elif questions[other] != question:
            changed += 1
        else:
            pairs.append((row, other))
    langs = [baseline.report.questions[row].lang for row, _ in pairs]
    shared = Counter(langs)
    for lang, count in sorted(Counter(question.lang for question in baseline.report.questions).items()):
        if shared[lang] < _LEAST_SHARED * count:
            raise ConfigurationError(
                f"of the {count:,} {lang} questions of {baseline.path}, {shared[lang]:,} are the same here; hold to a "
                "report of the same questions"
            )
    new = len(questions) - len(pairs) - changed
    units = [unit_of(baseline.report.questions[row]) for row, _ in pairs]
    return Paired([row for row, _ in pairs], [row for _, row in pairs], langs, units, gone, new, changed)


def regressions(comparisons: Sequence[Comparison], max_drop: float) -> list[str]:
    """What fails, in words; metrics in the order given, languages sorted."""
    return [
        _fall(lang, comparison.metric, row)
        for comparison in comparisons
        for lang, row in comparison.rows.items()
        if row.verdict == "worse" and _fell(row, max_drop)
    ]


def warnings(comparisons: Sequence[Comparison], max_drop: float, paired: Paired) -> list[str]:
    """What may be wrong although nothing shows it, in words."""
    found = [
        f"{_fall(lang, comparison.metric, row)} is more than may be lost, but not shown to be more than chance; "
        "more questions would tell"
        for comparison in comparisons
        for lang, row in comparison.rows.items()
        if row.verdict != "worse" and _fell(row, max_drop)
    ]
    passages = Counter(lang for lang, _ in set(zip(paired.langs, paired.units, strict=True)))
    for lang, row in comparisons[0].rows.items():
        # the least p that a test of so many signs can give, were every question lost
        if lang != MACRO and 2 / 2 ** min(passages[lang], row.questions) * (len(comparisons[0].rows) - 1) >= LEVEL:
            about = f" about {passages[lang]} passages" if passages[lang] < row.questions else ""
            found.append(f"{lang} has {row.questions} questions{about}, too few for any fall to be significant")
    return found


def _fell(row: ComparedLanguage, max_drop: float) -> bool:
    return row.difference < -max_drop - _ROUNDING


def _fall(lang: str, metric: str, row: ComparedLanguage) -> str:
    return (
        f"{lang} {metric} {percent(row.mean_a)} -> {percent(row.mean_b)} % "
        f"(p {p_value(row.p_deciding)}, {row.questions:,} questions)"
    )


def _outcome(row: ComparedLanguage, max_drop: float) -> str:
    if row.verdict == "worse":
        return "REGRESSION" if _fell(row, max_drop) else "worse, by no more than may be lost"
    return "lower, not shown" if _fell(row, max_drop) else row.verdict


def _of_rows(system: System, rows: Sequence[int], name: str) -> System:
    scores = {metric: [scores[row] for row in rows] for metric, scores in system.scores.items()}
    return system.model_copy(update={"name": name, "scores": scores, "means": {}, "top": []})
