"""``compare``: retrieval without xQG and with it, per language, with tests."""

from offline.evaluate import plots
from offline.evaluate.changed import changed_questions
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Figure, Findings, figure
from offline.evaluate.report.model import MACRO, Comparison, Study, System, Table
from offline.evaluate.report.wording import percent


def without_and_with(evaluation: Evaluation, embedded: EmbeddedDataset) -> Findings:
    """Measure an encoder's passages as they are, and with every text of the main kind fused in."""
    fusion = evaluation.fusion(embedded)
    plain, before = evaluation.measure_whole(embedded, embedded.name, None)
    name = f"{embedded.name} + xQG"
    fused, after = evaluation.measure_whole(embedded, name, fusion)
    comparisons = evaluation.compare(plain, fused)
    first = comparisons[0]
    study = Study(
        name="compare",
        title=f"{embedded.name}: without and with xQG",
        summary=f"{len(embedded.questions):,} questions against {len(embedded.passages):,} passages, exact search; "
        f"{fused.description}. {verdicts(first)}",
        tables=[table_of(evaluation, plain, fused)],
        comparisons=comparisons,
        changed=changed_questions(evaluation.judge, embedded, fusion, before, after),
    )
    return Findings(study, [plain, fused], figures_of(embedded.name, comparisons[0]))


def figures_of(encoder: str, comparison: Comparison) -> list[Figure]:
    """Both means of each language, and the differences with their intervals."""
    metric, rows = comparison.metric, comparison.rows
    title = f"{encoder}: {metric} without and with xQG"
    both = {
        "without": [100 * row.mean_a for row in rows.values()],
        "with xQG": [100 * row.mean_b for row in rows.values()],
    }
    changes = f"{encoder}: what xQG changes"
    intervals = {lang: (100 * row.difference, 100 * row.ci_low, 100 * row.ci_high) for lang, row in rows.items()}
    return [
        figure(
            f"{encoder}-bars",
            title,
            f"{metric} of each language without and with xQG; the figures are in the table.",
            plots.paired_bars(title, f"{metric}, %", list(rows), both),
        ),
        figure(
            f"{encoder}-differences",
            changes,
            f"Difference in {metric} of each language with its 95 % interval, as in the comparison.",
            plots.forest(changes, f"difference in {metric}, points", intervals),
        ),
    ]


def verdicts(comparison: Comparison) -> str:
    """``R@10: better in ar, te and macro; no difference shown in bn``, in a sentence."""
    by_verdict: dict[str, list[str]] = {}
    for lang, row in comparison.rows.items():
        by_verdict.setdefault(row.verdict, []).append(lang)
    found = "; ".join(f"{verdict} in {', '.join(langs)}" for verdict, langs in sorted(by_verdict.items()))
    return f"{comparison.metric} with xQG: {found}."


def table_of(evaluation: Evaluation, plain: System, fused: System) -> Table:
    """Every metric without and with, a row a language."""
    counts = {lang: evaluation.langs.count(lang) for lang in evaluation.dataset.languages}
    columns = ["language", "questions"]
    for metric in plain.means:
        columns += [metric, f"{metric} + xQG"]
    rows = []
    for lang in [*counts, MACRO]:
        row = [lang, str(counts.get(lang, len(evaluation.langs)))]
        for metric in plain.means:
            row += [percent(system.mean(metric, lang)) for system in (plain, fused)]
        rows.append(row)
    return Table(title="Means, %", columns=columns, rows=rows, note="macro: every language counts the same")
