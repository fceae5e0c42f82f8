"""Every table of a report that its numbers make, as text that all formats show alike."""

import re
from collections.abc import Iterator

from offline.evaluate.report.model import Comparison, DatasetFacts, Report, Table
from offline.evaluate.report.wording import (
    NOTHING,
    interval,
    language_label,
    macro_last,
    p_value,
    percent,
    points,
)

_NUMBER = re.compile(rf"[<>]?[+−-]?\d[\d.,/ %+−-]*(\[[\d., +−{NOTHING}-]*\])?|{NOTHING}|")


def numeric_columns(table: Table) -> list[bool]:
    """Which columns hold nothing but numbers, and are set to the right."""
    columns = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    return [any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells) for cells in columns]


def summary_table(comparison: Comparison) -> Table:
    """What a reader wants first: per language both scores, their difference and the verdict."""
    return Table(
        title=f"{comparison.metric} by language",
        columns=["language", "questions", comparison.a, comparison.b, "difference [95% CI]", "verdict"],
        rows=[
            [
                language_label(code),
                f"{row.questions:,}",
                percent(row.mean_a),
                percent(row.mean_b),
                f"{points(row.difference)} {interval(row.ci_low, row.ci_high)}",
                row.verdict,
            ]
            for code in macro_last(list(comparison.rows))
            for row in [comparison.rows[code]]
        ],
        note="Scores in percent, differences in percentage points.",
    )


def comparison_table(comparison: Comparison) -> Table:
    """The same with every test."""
    summary = summary_table(comparison)
    tests = [
        [p_value(row.p_t), p_value(row.p_permutation), p_value(row.p_holm), f"{row.wins}/{row.ties}/{row.losses}"]
        for code in macro_last(list(comparison.rows))
        for row in [comparison.rows[code]]
    ]
    return Table(
        title=f"{comparison.metric}: {comparison.b} against {comparison.a}",
        columns=[*summary.columns[:-1], "p (t)", "p (permutation)", "p (Holm)", "wins/ties/losses", "verdict"],
        rows=[[*cells[:-1], *more, cells[-1]] for cells, more in zip(summary.rows, tests, strict=True)],
        note=summary.note,
    )


def score_tables(report: Report) -> Iterator[Table]:
    """A table a metric: the mean of every system in every language."""
    for metric in report.metrics:
        means = {system.name: system.means[metric] for system in report.systems if metric in system.means}
        codes = macro_last(sorted({code for of_system in means.values() for code in of_system}))
        if means:
            yield Table(
                title=f"{metric}, percent",
                columns=["system", *map(language_label, codes)],
                rows=[[name, *(percent(found.get(code)) for code in codes)] for name, found in means.items()],
            )


def systems_table(report: Report) -> Table:
    """What was compared."""
    return Table(
        title="Systems",
        columns=["system", "what it is", "α", "encoder"],
        rows=[[s.name, s.description, f"{s.alpha:g}", s.encoder[:12]] for s in report.systems],
        note="The encoder's fingerprint is cut to 12 digits; it is whole further down.",
    )


def dataset_table(dataset: DatasetFacts) -> Table:
    """Questions and texts to fuse by language."""
    kinds = list(dataset.augmentations)
    codes = sorted({*dataset.questions, *(code for counts in dataset.augmentations.values() for code in counts)})
    counts = [dataset.questions, *dataset.augmentations.values()]
    return Table(
        title=f"{dataset.name}: {dataset.passages:,} passages",
        columns=["language", "questions asked", *(f"{kind} to fuse" for kind in kinds)],
        rows=[
            *([language_label(code), *(f"{of_kind.get(code, 0):,}" for of_kind in counts)] for code in codes),
            ["in all", *(f"{sum(of_kind.values()):,}" for of_kind in counts)],
        ],
    )


def provenance_tables(report: Report) -> Iterator[Table]:
    """What it takes to find the same again."""
    yield _pairs("What was read", "file", "SHA-256", report.dataset.files)
    notes = {note: f"{count:,}" for note, count in report.dataset.notes.items()}
    yield _pairs("What was mended or left out", "what", "how often", notes)
    yield _pairs("Encoders", "encoder", "fingerprint", report.encoders)
    yield _pairs("Versions", "package", "version", report.versions)


def _pairs(title: str, key: str, value: str, pairs: dict[str, str]) -> Table:
    rows = [list(pair) for pair in pairs.items()]
    return Table(title=title, columns=[key, value], rows=rows, note="" if rows else "None.")
