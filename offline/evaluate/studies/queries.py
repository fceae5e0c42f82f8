"""``queries``: recall against the number of generated queries per language (the paper's Figure 2)."""

import numpy as np

from offline.evaluate import plots
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Findings, figure, main_kind
from offline.evaluate.report.model import MACRO, Study, System, Table
from offline.evaluate.report.wording import percent

_DRAWS = 5


def against_queries(evaluation: Evaluation, embedded: EmbeddedDataset) -> Findings:
    """Measure 0 to all texts of each language; where some are left out, the mean of five random draws."""
    kind, metric = main_kind(evaluation.dataset), evaluation.metrics[0]
    texts = embedded.texts[kind]
    most = int(texts.ordinals.max()) + 1
    langs = [*evaluation.dataset.languages, MACRO]
    points: list[dict[str, float]] = []
    spreads: list[float] = []
    for count in range(most + 1):
        drawn = _drawn(evaluation, embedded, count, 1 if count in (0, most) else _DRAWS)
        points.append({lang: float(np.mean([each.mean(metric, lang) for each in drawn])) for lang in langs})
        macros = [each.mean(metric, MACRO) for each in drawn]
        spreads.append(max(macros) - min(macros))
    rows = [
        [str(count), *(percent(point[lang]) for lang in langs), percent(spread)]
        for count, (point, spread) in enumerate(zip(points, spreads, strict=True))
    ]
    study = Study(
        name="queries",
        title=f"{embedded.name}: how many {kind} per language",
        summary=f"Alpha stays at {evaluation.alpha:g}, so more {kind} also weigh more, as in the paper. Where only "
        f"some are fused, the mean of {_DRAWS} random draws. Macro {metric} goes from {percent(points[0][MACRO])} "
        f"without any to {percent(points[-1][MACRO])} with all.",
        tables=[
            Table(
                title=f"{metric} against {kind} per language, %",
                columns=["per language", *langs, "spread of draws"],
                rows=rows,
                note=f"a passage with fewer has all of its own; the most is {most}",
            )
        ],
    )
    title = f"{embedded.name}: {metric} against {kind} per language"
    drawing = plots.lines(
        title,
        f"{kind} per language",
        f"{metric}, %",
        [float(count) for count in range(most + 1)],
        {lang: [100 * point[lang] for point in points] for lang in langs},
    )
    alt = f"{metric} against the number of {kind}, a line a language; the figures are in the table."
    return Findings(study, figures=[figure(f"{embedded.name}-queries", title, alt, drawing)])


def _drawn(evaluation: Evaluation, embedded: EmbeddedDataset, count: int, draws: int) -> list[System]:
    return [
        evaluation.measure(
            embedded,
            f"{embedded.name}, {count} per language, draw {draw + 1}",
            evaluation.fusion(embedded, per_language=count, draw=draw),
        )
        for draw in range(draws)
    ]
