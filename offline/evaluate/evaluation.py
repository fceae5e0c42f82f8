"""Evaluation: what every study of one dataset shares, and the one way to measure a system."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console

from offline.evaluate.clusters import unit_of
from offline.evaluate.dataset import Dataset, Kind
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.judge import Judge
from offline.evaluate.metrics.averages import means
from offline.evaluate.ranking import Fusion, Ranking, rank
from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.model import Comparison, Plot, RetrievedPassage, Study, System
from offline.evaluate.selections import of_languages, places
from offline.evaluate.significance import compare


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot of the report with what is drawn."""

    plot: Plot
    drawing: Drawing


@dataclass(frozen=True, slots=True)
class Findings:
    """What a study leaves in the report."""

    study: Study
    systems: Sequence[System] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A dataset, how it is judged, and the settings that studies hold still."""

    dataset: Dataset
    judge: Judge
    alpha: float
    console: Console
    seed: int = 0
    depth: int = 100
    per_language: int | None = None
    """Texts fused per passage and language at most; None for all there are."""
    langs: list[str] = field(init=False)
    """Language of each question."""
    units: list[str] = field(init=False)
    """What each question is drawn with when systems are compared."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "langs", [question.lang for question in self.dataset.questions])
        object.__setattr__(self, "units", [unit_of(question) for question in self.dataset.questions])

    @property
    def metrics(self) -> list[str]:
        """Those that are compared and tested, the most telling first."""
        return self.judge.compared

    def fusion(
        self,
        embedded: EmbeddedDataset,
        *,
        kind: Kind | None = None,
        languages: Sequence[str] | None = None,
        alpha: float | None = None,
        per_language: int | None = None,
        draw: int = 0,
    ) -> Fusion:
        """What is fused, as evaluated with unless said otherwise.

        Args:
            draw: which random choice, where there are more texts than ``per_language``.
        """
        kind = kind or main_kind(self.dataset)
        texts = embedded.texts[kind]
        selected = of_languages(texts, texts.languages if languages is None else languages)
        alpha = self.alpha if alpha is None else alpha
        limit = self.per_language if per_language is None else per_language
        if limit is None:
            return Fusion(kind, selected, alpha)
        drawn = places(texts, np.random.default_rng([self.seed, draw]))
        return Fusion(kind, selected & (drawn < limit), alpha, drawn)

    def measure(self, embedded: EmbeddedDataset, name: str, fusion: Fusion) -> System:
        """Rank with the fusion, and judge by the most telling metric: studies measure dozens of systems."""
        ranking = rank(embedded, fusion, self.depth)
        scores = self.judge.scores(ranking, self.metrics[:1])
        return self._system(embedded, name, fusion, scores)

    def measure_whole(self, embedded: EmbeddedDataset, name: str, fusion: Fusion | None) -> tuple[System, Ranking]:
        """The same by every metric, with all hits; without a fusion, the passages as they are."""
        ranking = rank(embedded, fusion, self.depth)
        scores = self.judge.scores(ranking, self.judge.metrics)
        docids = [passage.docid for passage in self.dataset.passages]
        top = [
            [RetrievedPassage(docid=docids[row], score=score) for row, score in zip(rows, given, strict=True)]
            for rows, given in zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True)
        ]
        system = self._system(embedded, name, fusion, scores, top)
        early = self.judge.ended_early(ranking)
        words = [f"too few hits for {metric} in {count:,} questions" for metric, count in early.items()]
        return system.model_copy(update={"description": "; ".join([system.description, *words])}), ranking

    def _system(
        self,
        embedded: EmbeddedDataset,
        name: str,
        fusion: Fusion | None,
        scores: dict[str, list[float | None]],
        top: Sequence[list[RetrievedPassage]] = (),
    ) -> System:
        return System(
            name=name,
            encoder=embedded.encoder.fingerprint,
            description=describe(embedded, fusion),
            alpha=fusion.alpha if fusion else 0.0,
            scores=scores,
            means=self.means(scores),
            top=list(top),
        )

    def means(self, scores: dict[str, list[float | None]]) -> dict[str, dict[str, float]]:
        """Metric to language, or ``macro``, to mean."""
        return {metric: means(each, self.langs) for metric, each in scores.items()}

    def compare(self, a: System, b: System) -> list[Comparison]:
        """Paired tests of every metric that is compared, as far as both systems were judged by it."""
        metrics = [metric for metric in self.metrics if metric in a.scores and metric in b.scores]
        return [compare(a, b, metric, self.langs, self.seed, self.units) for metric in metrics]


def describe(embedded: EmbeddedDataset, fusion: Fusion | None) -> str:
    """``alpha 0.05, 14.0 queries in 7 languages per passage``."""
    if fusion is None:
        return "passages as they are"
    texts, selected = embedded.texts[fusion.kind], fusion.selected
    groups = Counter(zip(texts.rows[selected].tolist(), texts.langs[selected].tolist(), strict=True))
    passages = {row for row, _ in groups}
    languages = {lang for _, lang in groups}
    each = selected.sum() / max(len(passages), 1)
    described = f"alpha {fusion.alpha:g}, {each:.1f} {fusion.kind} in {len(languages)} languages per passage"
    counts = [groups[row, lang] for row in passages for lang in languages]  # a Counter has 0 for what it has not
    fewest, most = min(counts, default=0), max(counts, default=0)
    # whoever has more weighs more, and draws questions away from the others
    return described if fewest == most else f"{described}, unequally: {fewest} to {most} a language"


def figure(stem: str, title: str, alt: str, drawing: Drawing) -> Figure:
    """A drawing as the report has it; the stem names its files."""
    return Figure(Plot(title=title, alt=alt, file=f"{slug(stem)}.svg"), drawing)


def slug(name: str) -> str:
    """``multilingual-e5-small + xQG`` -> ``multilingual-e5-small-xqg``, as in names of files."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def main_kind(dataset: Dataset) -> Kind:
    """What ``compare`` fuses: queries where there are any."""
    return "queries" if dataset.augmentations.get("queries") else "translations"
