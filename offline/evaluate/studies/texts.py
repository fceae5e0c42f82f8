"""``texts``: queries against translated passages, fused in the same way."""

import numpy as np

from offline.evaluate import plots
from offline.evaluate.dataset import KINDS, Kind
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Findings, figure
from offline.evaluate.report.model import MACRO, Comparison, Study, System, Table
from offline.evaluate.report.wording import percent
from offline.evaluate.selections import subsets
from offline.evaluate.studies.alpha import GRID
from offline.evaluate.studies.halves import chosen_on_the_other_half, halves

_SUBSETS = 10


def queries_against_translations(evaluation: Evaluation, embedded: EmbeddedDataset) -> Findings:
    """Fuse either, by number of languages, each at an alpha that suits it.

    A passage has one translation but several queries a language, so no one alpha is fair to both:
    each is measured on one half of the questions at the alpha that was best on the other.
    """
    metric = evaluation.metrics[0]
    languages = [
        lang for lang in embedded.texts["translations"].languages if lang in embedded.texts["queries"].languages
    ]
    langs = [*evaluation.dataset.languages, MACRO]
    nothing = evaluation.fusion(embedded, kind="queries", languages=(), alpha=0)
    plain = evaluation.measure(embedded, embedded.name, nothing)
    rows = [["none", "0", *(percent(plain.mean(metric, lang)) for lang in langs), "0"]]
    curves: dict[str, list[float]] = {}
    whole: dict[Kind, System] = {}
    for kind in KINDS:
        curves[kind] = [100 * plain.mean(metric, MACRO)]
        for size in range(1, len(languages) + 1):
            random = np.random.default_rng([evaluation.seed, size])
            systems, alphas = [], []
            for chosen in subsets(languages, size, _SUBSETS, random):
                system, both = _at_its_best(evaluation, embedded, kind, list(chosen))
                systems.append(system)
                alphas += [each.alpha for each in both]
            averages = {lang: float(np.mean([each.mean(metric, lang) for each in systems])) for lang in langs}
            rows.append([kind, str(size), *(percent(averages[lang]) for lang in langs), _range(alphas)])
            curves[kind].append(100 * averages[MACRO])
            whole[kind] = systems[-1]
    comparison = evaluation.compare(whole["translations"], whole["queries"])
    study = Study(
        name="texts",
        title=f"{embedded.name}: queries against translated passages",
        summary=_summary(evaluation, comparison[0], languages),
        tables=[
            Table(
                title=f"{metric} by what is fused and in how many languages, %",
                columns=["fused", "languages", *langs, "alphas chosen"],
                rows=rows,
                note="each half of the questions at the alpha that was best on the other half; means over the choices "
                "of so many languages",
            )
        ],
        comparisons=comparison,
    )
    title = f"{embedded.name}: macro {metric} by number of languages fused"
    sizes = [float(size) for size in range(len(languages) + 1)]
    drawing = plots.lines(title, "languages", f"{metric}, %", sizes, curves)
    alt = f"Macro {metric} against the number of languages: a line for queries, one for translated passages."
    return Findings(study, list(whole.values()), [figure(f"{embedded.name}-texts", title, alt, drawing)])


def _at_its_best(
    evaluation: Evaluation, embedded: EmbeddedDataset, kind: Kind, languages: list[str]
) -> tuple[System, list[System]]:
    grid = [
        evaluation.measure(
            embedded, f"{kind} {alpha:g}", evaluation.fusion(embedded, kind=kind, languages=languages, alpha=alpha)
        )
        for alpha in GRID
    ]
    half = halves(evaluation.dataset.questions, evaluation.seed)
    name = f"{embedded.name} + {kind} in {','.join(languages)}"
    return chosen_on_the_other_half(grid, evaluation.metrics[0], evaluation.langs, half, name)


def _summary(evaluation: Evaluation, comparison: Comparison, languages: list[str]) -> str:
    macro = comparison.rows[MACRO]
    return (
        f"Human questions (never the one that is asked, in no language) against professional translations of the "
        f"passage, in {', '.join(languages)}. With all of them, macro {evaluation.metrics[0]} is "
        f"{percent(macro.mean_b)} with queries and {percent(macro.mean_a)} with translations: queries are "
        f"{'no different, as far as shown' if macro.verdict.startswith('no') else macro.verdict}."
    )


def _range(alphas: list[float]) -> str:
    low, high = min(alphas), max(alphas)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
