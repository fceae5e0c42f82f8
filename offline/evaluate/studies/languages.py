"""``languages``: which languages to augment, how many, and what a language left out loses."""

import numpy as np

from offline.evaluate import plots
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Findings, figure, main_kind
from offline.evaluate.report.model import MACRO, Comparison, Study, System, Table
from offline.evaluate.report.wording import percent, points
from offline.evaluate.selections import subsets
from offline.evaluate.significance import holm, verdict_of

_SUBSETS = 10


def across_languages(evaluation: Evaluation, embedded: EmbeddedDataset) -> Findings:
    """Fuse each language alone, all but each, and growing numbers of them."""
    metric, texts = evaluation.metrics[0], embedded.texts[main_kind(evaluation.dataset)]
    languages = texts.languages
    plain, every = _fused(evaluation, embedded, []), _fused(evaluation, embedded, languages)
    alone = {lang: _fused(evaluation, embedded, [lang]) for lang in languages}
    without = {lang: _fused(evaluation, embedded, [each for each in languages if each != lang]) for lang in languages}
    asked = evaluation.dataset.languages
    left_out = _left_out(evaluation, plain, {lang: without[lang] for lang in asked if lang in languages})
    tables = [
        _matrix(
            f"{metric} with one language's queries fused, %", metric, asked, {"none": plain, **alone, "all": every}
        ),
        Table(
            title=f"{metric} of a language whose own queries are left out, %",
            columns=["language", "without xQG", "others' queries alone", "with its own too", "difference", "verdict"],
            rows=[
                [
                    lang,
                    percent(row.mean_a),
                    percent(row.mean_b),
                    percent(every.mean(metric, lang)),
                    points(row.difference),
                    row.verdict,
                ]
                for lang, row in left_out.rows.items()
            ],
            note="difference: others' queries alone, over without xQG; verdicts after Holm over these tests",
        ),
        _by_number(evaluation, embedded, languages),
    ]
    gains = [
        [100 * (alone[fused].mean(metric, lang) - plain.mean(metric, lang)) for fused in languages] for lang in asked
    ]
    gained = [lang for lang, row in left_out.rows.items() if row.verdict == "better"]
    study = Study(
        name="languages",
        title=f"{embedded.name}: which languages to augment",
        summary=f"Alpha {evaluation.alpha:g} throughout. From the others' queries alone, "
        f"{len(gained)} of {len(left_out.rows)} languages are shown to gain ({', '.join(gained) or 'none'}).",
        tables=tables,
        comparisons=[left_out],
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
    name = f"{embedded.name} + {','.join(languages) or 'nothing'}"
    return evaluation.measure(embedded, name, evaluation.fusion(embedded, languages=languages))


def _left_out(evaluation: Evaluation, plain: System, without: dict[str, System]) -> Comparison:
    """Each language with the others' queries alone against none: as many tests, corrected together."""
    metric = evaluation.metrics[0]
    each = {
        lang: rows[lang]
        for lang, system in without.items()
        if lang in (rows := evaluation.compare(plain, system)[0].rows)
    }
    corrected = holm({lang: row.p_permutation for lang, row in each.items()})
    rows = {
        lang: row.model_copy(update={"p_holm": p, "verdict": verdict_of(row.difference, p)})
        for (lang, row), p in zip(each.items(), (corrected[lang] for lang in each), strict=True)
    }
    return Comparison(a=plain.name, b="the other languages' queries", metric=metric, rows=rows)


def _matrix(title: str, metric: str, asked: list[str], systems: dict[str, System]) -> Table:
    rows = [[lang, *(percent(system.mean(metric, lang)) for system in systems.values())] for lang in [*asked, MACRO]]
    return Table(title=title, columns=["question in", *systems], rows=rows)


def _by_number(evaluation: Evaluation, embedded: EmbeddedDataset, languages: list[str]) -> Table:
    metric = evaluation.metrics[0]
    langs = [*evaluation.dataset.languages, MACRO]
    rows = []
    for size in range(len(languages) + 1):
        random = np.random.default_rng([evaluation.seed, size])
        systems = [_fused(evaluation, embedded, list(chosen)) for chosen in subsets(languages, size, _SUBSETS, random)]
        means = [percent(float(np.mean([each.mean(metric, lang) for each in systems]))) for lang in langs]
        macros = [each.mean(metric, MACRO) for each in systems]
        rows.append([str(size), str(len(systems)), *means, f"{percent(min(macros))} to {percent(max(macros))}"])
    return Table(
        title=f"{metric} by number of languages fused, %",
        columns=["languages", "choices", *langs, "macro, least to most"],
        rows=rows,
        note=f"means over the choices of so many languages, or over {_SUBSETS} of them",
    )
