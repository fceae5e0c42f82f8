"""Evaluation: what every study of one dataset shares, and the one way to measure a system."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console

from offline.evaluate.dataset import Dataset, Kind
from offline.evaluate.embedded import EmbeddedDataset, EmbeddedTexts
from offline.evaluate.judge import Judge
from offline.evaluate.metrics.averages import means
from offline.evaluate.ranking import Fusion, Ranking, rank
from offline.evaluate.report.model import Comparison, RetrievedPassage, Study, System
from offline.evaluate.report.plots import Drawing
from offline.evaluate.significance import compare


@dataclass(frozen=True, slots=True)
class Findings:
    """What a study leaves in the report."""

    study: Study
    systems: Sequence[System] = ()
    drawings: Sequence[Drawing] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A dataset, how it is judged, and the settings that studies hold still."""

    dataset: Dataset
    judge: Judge
    alpha: float
    metrics: Sequence[str]
    """Those that are compared and tested, the most telling first."""
    console: Console
    seed: int = 0
    depth: int = 100
    langs: list[str] = field(init=False)
    """Language of each question."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "langs", [question.lang for question in self.dataset.questions])

    def measure(
        self, embedded: EmbeddedDataset, name: str, description: str, fusion: Fusion | None, keep_hits: int = 0
    ) -> tuple[System, Ranking]:
        """Rank and judge.

        Args:
            keep_hits: how many hits of each question go into the report.
        """
        ranking = rank(embedded, fusion, self.depth)
        scores = self.judge.scores(ranking)
        docids = [passage.docid for passage in self.dataset.passages]
        top = [
            [RetrievedPassage(docid=docids[row], score=score) for row, score in zip(rows, given, strict=True)]
            for rows, given in zip(
                ranking.rows[:, :keep_hits].tolist(), ranking.scores[:, :keep_hits].tolist(), strict=True
            )
        ]
        system = System(
            name=name,
            encoder=embedded.encoder.fingerprint,
            description=description,
            alpha=fusion.alpha if fusion else 0.0,
            scores=scores,
            means=self.means(scores),
            top=top if keep_hits else [],
        )
        return system, ranking

    def means(self, scores: dict[str, list[float | None]]) -> dict[str, dict[str, float]]:
        """Metric to language, or ``macro``, to mean."""
        return {metric: means(each, self.langs) for metric, each in scores.items()}

    def compare(self, a: System, b: System) -> list[Comparison]:
        """Paired tests of every metric that is compared."""
        return [compare(a, b, metric, self.langs, self.seed) for metric in self.metrics]


def describe(texts: EmbeddedTexts, fusion: Fusion) -> str:
    """``alpha 0.05, 14.0 queries in 7 languages per passage``."""
    selected = fusion.selected
    passages = len(set(texts.rows[selected].tolist()))
    languages = len(set(texts.langs[selected].tolist()))
    each = selected.sum() / max(passages, 1)
    return f"alpha {fusion.alpha:g}, {each:.1f} {fusion.kind} in {languages} languages per passage"


def percent(value: float) -> str:
    """As tables show scores."""
    return f"{100 * value:.1f}"


def main_kind(dataset: Dataset) -> Kind:
    """What ``compare`` fuses: queries where there are any."""
    return "queries" if dataset.augmentations.get("queries") else "translations"
