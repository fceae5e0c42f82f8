"""``alpha``: recall against the weight of the fusion."""

from offline.evaluate import plots
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Findings, figure
from offline.evaluate.report.model import MACRO, Study, System, Table
from offline.evaluate.report.wording import percent
from offline.evaluate.studies.compare import verdicts
from offline.evaluate.studies.halves import chosen_on_the_other_half, halves

GRID = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


def against_alpha(evaluation: Evaluation, embedded: EmbeddedDataset) -> Findings:
    """Measure every alpha of the grid, and the one evaluated with."""
    grid = alpha_grid(evaluation, embedded)
    plain, metric = grid[0], evaluation.metrics[0]
    half = halves(evaluation.dataset.questions, evaluation.seed)
    chosen, both = chosen_on_the_other_half(grid, metric, evaluation.langs, half, f"{embedded.name}, alpha chosen")
    comparisons = evaluation.compare(plain, chosen)
    langs = [*evaluation.dataset.languages, MACRO]
    table = Table(
        title=f"{metric} against alpha, %",
        columns=["alpha", *langs],
        rows=[[f"{system.alpha:g}", *(percent(system.mean(metric, lang)) for lang in langs)] for system in grid],
        note="0 is without xQG, 1 the queries alone",
    )
    study = Study(
        name="alpha",
        title=f"{embedded.name}: how much weight the queries should have",
        summary=f"The same vectors fused with {len(grid)} alphas. Chosen on one half of the questions and measured on "
        f"the other, both ways: alpha {both[0].alpha:g} and {both[1].alpha:g}. {verdicts(comparisons[0])}",
        tables=[table],
        comparisons=comparisons,
    )
    title = f"{embedded.name}: {metric} against alpha"
    drawing = plots.lines(
        title,
        "alpha",
        f"{metric}, %",
        [system.alpha for system in grid],
        {lang: [100 * system.mean(metric, lang) for system in grid] for lang in langs},
        x_scale="symlog",
        marked_x=evaluation.alpha,
    )
    alt = f"{metric} against alpha, a line a language; the figures are in the table."
    return Findings(study, [chosen], [figure(f"{embedded.name}-alpha", title, alt, drawing)])


def alpha_grid(evaluation: Evaluation, embedded: EmbeddedDataset) -> list[System]:
    """A system per alpha, rising from 0."""
    return [
        evaluation.measure(embedded, f"{embedded.name}, alpha {alpha:g}", evaluation.fusion(embedded, alpha=alpha))
        for alpha in sorted({*GRID, evaluation.alpha})
    ]
