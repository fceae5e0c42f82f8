"""``encoders``: several encoders side by side, each without and with xQG, as in the paper's Table 1."""

from collections.abc import Sequence

from offline.evaluate import plots
from offline.evaluate.evaluation import Evaluation, Findings, figure
from offline.evaluate.report.model import MACRO, Study, System, Table
from offline.evaluate.report.wording import percent

PUBLISHED = {
    "mBERT xDR": (44.1, 46.2),
    "XLM-R xDR": (27.5, 29.8),
    "mBERT, zero-shot": (33.0, 36.0),
}
"""Macro R@2kt in per cent without and with xQG on XOR-TyDi: Zhuang, Shou, Zuccon, SIGIR 2023, Table 1."""


def side_by_side(evaluation: Evaluation, pairs: Sequence[tuple[System, System]]) -> Findings:
    """Lay out what ``compare`` measured.

    Args:
        pairs: per encoder its system without xQG and the one with it.
    """
    langs = [*evaluation.dataset.languages, MACRO]
    tables = []
    for metric in evaluation.metrics:
        rows = [
            [system.name, *(percent(system.mean(metric, lang)) for lang in langs)] for pair in pairs for system in pair
        ]
        tables.append(Table(title=f"{metric}, %", columns=["encoder", *langs], rows=rows))
    tables.append(
        Table(
            title="Published: macro R@2kt on XOR-TyDi, all of Wikipedia, %",
            columns=["encoder", "without", "with xQG", "difference"],
            rows=[[name, f"{a:.1f}", f"{b:.1f}", f"{b - a:+.1f}"] for name, (a, b) in PUBLISHED.items()],
            note="Zhuang, Shou, Zuccon, SIGIR 2023, Table 1. Of another corpus and other queries: compare differences "
            "with it, not levels.",
        )
    )
    comparisons = [evaluation.compare(plain, fused)[0] for plain, fused in pairs]
    metric = evaluation.metrics[0]
    study = Study(
        name="encoders",
        title="Encoders side by side",
        summary=f"{len(pairs)} encoders on the same questions, passages and queries, alpha {evaluation.alpha:g}. "
        + " ".join(
            f"{plain.name}: macro {metric} {percent(plain.mean(metric, MACRO))} without, "
            f"{percent(fused.mean(metric, MACRO))} with ({comparison.rows[MACRO].verdict})."
            for (plain, fused), comparison in zip(pairs, comparisons, strict=True)
        ),
        tables=tables,
        comparisons=comparisons,
    )
    title = f"Encoders: macro {metric} without and with xQG"
    both = {
        "without": [100 * plain.mean(metric, MACRO) for plain, _ in pairs],
        "with xQG": [100 * fused.mean(metric, MACRO) for _, fused in pairs],
    }
    drawing = plots.paired_bars(title, f"macro {metric}, %", [plain.name for plain, _ in pairs], both)
    alt = f"Macro {metric} of each encoder without and with xQG, as in the first table."
    return Findings(study, figures=[figure("encoders", title, alt, drawing)])
