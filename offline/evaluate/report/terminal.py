"""What a person who typed the command reads when it is done."""

from rich.console import Console
from rich.table import Table

from offline.evaluate.report.model import Report
from offline.evaluate.report.wording import interval, p_value, percent, points


def tell(report: Report, console: Console) -> None:
    """Print each encoder's comparisons."""
    for study in report.studies:
        if study.name != "compare":
            continue
        for comparison in study.comparisons:
            table = Table("language", "questions", "without", "with xQG", "difference", "95 %", "p", "verdict")
            table.title = f"{comparison.b}: {comparison.metric}, %"
            for lang, row in comparison.rows.items():
                table.add_row(
                    lang,
                    f"{row.questions:,}",
                    percent(row.mean_a),
                    percent(row.mean_b),
                    points(row.difference),
                    interval(row.ci_low, row.ci_high),
                    p_value(row.p_permutation if row.p_holm is None else row.p_holm),
                    row.verdict,
                )
            console.print(table)
