"""``languages``: which languages to augment, how many, and what a language left out loses."""

import numpy as np

from offline.evaluate import plots
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Findings, figure, main_kind, percent
from offline.evaluate.ranking import Fusion
from offline.evaluate.report.model import MACRO, Comparison, Study, System, Table
from offline.evaluate.studies.selections import of_languages, subsets

_SUBSETS = 10


def across_languages(evaluation: Evaluation, embedded: EmbeddedDataset) -> Findings:
    """Fuse each language alone, all but each, and growing numbers of them."""
    metric, texts = evaluation.metrics[0], embedded.texts[main_kind(evaluation.dataset)]
    languages = texts.languages
    plain, every = _fused(evaluation, embedded, []), _fused(evaluation, embedded, languages)
    alone = {lang: _fused(evaluation, embedded, [lang]) for lang in languages}
    without = {lang: _fused(evaluation, embedded, [each for each in languages if each != lang]) for lang in languages}
    asked = evaluation.dataset.languages
    left_out = [_left_out(evaluation, plain, without[lang], every, lang) for lang in asked if lang in languages]
    tables = [
        _matrix(
            f"{metric} with one language's queries fused, %", metric, asked, {"none": plain, **alone, "all": every}
        ),
        Table(
            title=f"{metric} of a language whose own queries are left out, %",
            columns=["language", "without xQG", "others' queries alone", "with its own too", "difference", "verdict"],
            rows=[row for row, _ in left_out],
            note="difference: others' queries alone, over without xQG; verdict by the permutation test for this "
            "language alone",
        ),
        _by_number(evaluation, embedded, languages),
    ]
    gains = [
        [100 * (alone[fused].means[metric][lang] - plain.means[metric][lang]) for fused in languages] for lang in asked
    ]
    gained = [
        lang
        for (row, _), lang in zip(left_out, [each for each in asked if each in languages], strict=True)
        if row[-1] == "better"
    ]
    study = Study(
        name="languages",
        title=f"{embedded.name}: which languages to augment",
        summary=f"Alpha {evaluation.alpha:g} throughout. A language whose own queries are left out still gains from "
        f"the others' in {len(gained)} of {len(left_out)} languages{': ' + ', '.join(gained) if gained else ''}.",
        tables=tables,
        comparisons=[comparison for _, comparison in left_out],
    )
    title = f"{embedded.name}: change of {metric} by one language's queries"
    drawing = plots.heatmap(
        title,
        languages,
        asked,
        gains,
        "points",
        x_label="language of the fused queries",
        y_label="language of the question",
    )
    alt = f"Change of {metric} for questions of each language; the first table less its first column."
    return Findings(study, figures=[figure(f"{embedded.name}-languages", title, alt, drawing)])


def _fused(evaluation: Evaluation, embedded: EmbeddedDataset, languages: list[str]) -> System:
    kind = main_kind(evaluation.dataset)
    texts = embedded.texts[kind]
    fusion = Fusion(kind, of_languages(texts, languages), evaluation.alpha)
    name = f"{embedded.name} + {','.join(languages) or 'nothing'}"
    return evaluation.measure(embedded, name, fusion)


def _left_out(
    evaluation: Evaluation, plain: System, without: System, every: System, lang: str
) -> tuple[list[str], Comparison]:
    metric = evaluation.metrics[0]
    whole = evaluation.compare(plain, without)[0]
    comparison = whole.model_copy(update={"rows": {lang: whole.rows[lang]}})
    row = whole.rows[lang]
    cells = [
        percent(row.mean_a),
        percent(row.mean_b),
        percent(every.means[metric][lang]),
        f"{100 * row.difference:+.1f}",
    ]
    return [lang, *cells, row.verdict], comparison


def _matrix(title: str, metric: str, asked: list[str], systems: dict[str, System]) -> Table:
    rows = [[lang, *(percent(system.means[metric][lang]) for system in systems.values())] for lang in [*asked, MACRO]]
    return Table(title=title, columns=["question in", *systems], rows=rows)


def _by_number(evaluation: Evaluation, embedded: EmbeddedDataset, languages: list[str]) -> Table:
    metric = evaluation.metrics[0]
    langs = [*evaluation.dataset.languages, MACRO]
    rows = []
    for size in range(len(languages) + 1):
        random = np.random.default_rng([evaluation.seed, size])
        systems = [_fused(evaluation, embedded, list(chosen)) for chosen in subsets(languages, size, _SUBSETS, random)]
        means = [percent(float(np.mean([each.means[metric][lang] for each in systems]))) for lang in langs]
        macros = [each.means[metric][MACRO] for each in systems]
        rows.append([str(size), str(len(systems)), *means, f"{percent(min(macros))} to {percent(max(macros))}"])
    return Table(
        title=f"{metric} by number of languages fused, %",
        columns=["languages", "choices", *langs, "macro, least to most"],
        rows=rows,
        note=f"means over the choices of so many languages, or over {_SUBSETS} of them",
    )
