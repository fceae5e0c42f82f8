"""What a person who typed the command reads when it is done."""

from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from offline.evaluate.report.model import ComparedLanguage, Comparison, Report
from offline.evaluate.report.wording import interval, p_value, percent, points


def tell(report: Report, console: Console) -> None:
    """Print each encoder's comparisons."""
    for study in report.studies:
        if study.name == "compare":
            for comparison in study.comparisons:
                title = f"{comparison.b}: {comparison.metric}, %"
                console.print(comparison_table(comparison, title, "without", "with xQG", lambda row: row.verdict))


def comparison_table(
    comparison: Comparison, title: str, a: str, b: str, outcome: Callable[[ComparedLanguage], str]
) -> Table:
    """A row a language, narrow enough for eighty columns."""
    headings = ("lang", "asked", a, b, "change", "95 %", "p", "outcome")
    table = Table(*headings, title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for lang, row in comparison.rows.items():
        table.add_row(
            lang,
            f"{row.questions:,}",
            percent(row.mean_a),
            percent(row.mean_b),
            points(row.difference),
            interval(row.ci_low, row.ci_high),
            p_value(row.p_deciding),
            outcome(row),
        )
    return table
