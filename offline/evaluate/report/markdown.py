"""``report.md``: the report for a pull request, a wiki or a terminal."""

import re
import shlex
from collections.abc import Iterator

from offline.evaluate.report.drilldown import groups, ranks
from offline.evaluate.report.model import Report, Study, Table
from offline.evaluate.report.tables import (
    comparison_table,
    dataset_table,
    numeric_columns,
    provenance_tables,
    score_tables,
    summary_table,
    systems_table,
)
from offline.evaluate.report.wording import HOW_COMPARED, finding, language_label, main_comparisons

_SPECIAL = re.compile(r"[\\`*_<>|~&]|\](?=[\[(])")


def escaped(text: str) -> str:
    """Text that shows as itself, on one line, inside a table too."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def table_lines(table: Table) -> Iterator[str]:
    """The table in GitHub's Markdown; numbers to the right."""
    yield f"**{escaped(table.title)}**"
    yield ""
    if table.rows:
        yield _row(table.columns)
        yield "| " + " | ".join("---:" if numeric else "---" for numeric in numeric_columns(table)) + " |"
        yield from map(_row, table.rows)
        yield ""
    if table.note:
        yield escaped(table.note)
        yield ""


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(map(escaped, cells)) + " |"


def markdown(report: Report) -> str:
    """The whole report."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from (f"# xQG on {escaped(report.dataset.name)}", "", f"Evaluated {report.created_at} with", "")
    yield from ("```console", f"$ {shlex.join(report.command)}", "```", "")
    if comparisons := main_comparisons(report):
        yield from ("## What came out", "")
        for comparison in comparisons:
            yield from (escaped(finding(comparison)), "")
            yield from table_lines(summary_table(comparison))
    for study in report.studies:
        yield from _study_lines(report, study)
    yield from ("## Scores of every system", "")
    for table in (systems_table(report), *score_tables(report)):
        yield from table_lines(table)
    yield from ("## Dataset", "")
    yield from table_lines(dataset_table(report.dataset))
    yield from ("## To find the same again", "", f"Seed {report.seed}.", "")
    for table in provenance_tables(report):
        yield from table_lines(table)


def _study_lines(report: Report, study: Study) -> Iterator[str]:
    yield from (f"## {escaped(study.title)}", "", escaped(study.summary), "")
    for plot in study.plots:
        yield from (f"![{escaped(plot.alt)}](<{plot.file}>)", "")
    for table in study.tables:
        yield from table_lines(table)
    if study.comparisons:
        yield from ("### Comparisons", "", escaped(HOW_COMPARED), "")
    for comparison in study.comparisons:
        yield from table_lines(comparison_table(comparison))
    if study.changed:
        yield from ("### Questions gained and lost", "")
    for table in _changed(report, study):
        yield from table_lines(table)


def _changed(report: Report, study: Study) -> Iterator[Table]:
    """A table a language of questions gained, or lost; the HTML page has the passages' text as well."""
    for group in groups(report, study):
        yield Table(
            title=f"{group.change.capitalize()} in {language_label(group.lang)}: {len(group.questions):,}",
            columns=["question", "passage", "change", "nearest fused text", "language", "score"],
            rows=[
                [
                    question.text,
                    changed.title or changed.docid,
                    ranks(changed),
                    *([near.text, near.lang, f"{near.score:.3f}"] if near else ["", "", ""]),
                ]
                for question, changed in group.questions
                for near in [next(iter(changed.nearest), None)]
            ],
        )
