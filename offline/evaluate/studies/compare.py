"""``compare``: retrieval without xQG and with it, per language, with tests."""

from offline.evaluate.changed import changed_questions
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Findings, main_kind, percent
from offline.evaluate.ranking import Fusion
from offline.evaluate.report import plots
from offline.evaluate.report.model import MACRO, Comparison, Study, System, Table


def without_and_with(evaluation: Evaluation, embedded: EmbeddedDataset) -> Findings:
    """Measure an encoder's passages as they are, and with every text of the main kind fused in."""
    kind = main_kind(evaluation.dataset)
    fusion = Fusion(kind, embedded.texts[kind].all(), evaluation.alpha)
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
        changed=changed_questions(embedded, kind, before, after),
    )
    drawings = [
        plots.paired_bars(
            f"{embedded.name}: {first.metric} without and with xQG",
            f"{first.metric}, %",
            list(first.rows),
            {
                "without": [100 * row.mean_a for row in first.rows.values()],
                "with xQG": [100 * row.mean_b for row in first.rows.values()],
            },
            alt=f"{first.metric} of each language without and with xQG; the same figures as in the table.",
        ),
        plots.forest(
            f"{embedded.name}: what xQG changes",
            f"difference in {first.metric}, points, with 95 % interval",
            {lang: (100 * row.difference, 100 * row.ci_low, 100 * row.ci_high) for lang, row in first.rows.items()},
            alt=f"Differences in {first.metric} per language with their intervals, as in the comparison.",
        ),
    ]
    return Findings(study, [plain, fused], drawings)


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
            row += [
                percent(system.means[metric][lang]) if lang in system.means[metric] else "" for system in (plain, fused)
            ]
        rows.append(row)
    return Table(title="Means, %", columns=columns, rows=rows, note="macro: every language counts the same")
