"""Report: the content of ``report.json``, from which every other file is made."""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MACRO = "macro"
"""Key of the average over languages, each counting the same: how XOR-TyDi averages."""

Verdict = Literal["better", "worse", "no difference shown"]
"""By the corrected permutation test at 0.05."""


def _nan_of_null(value: Any) -> Any:
    return math.nan if value is None else value


Measured = Annotated[float, BeforeValidator(_nan_of_null)]
"""A number, or NaN where there was nothing to measure; JSON has no NaN, so it is null there."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class DatasetFacts(_Model):
    """What was evaluated on."""

    name: str
    files: dict[str, str]
    """File name to SHA-256 in hex."""
    passages: int
    questions: dict[str, int]
    """Language to number of questions."""
    augmentations: dict[str, dict[str, int]]
    """Kind to language to number of texts that can be fused."""
    notes: dict[str, int]


class AskedQuestion(_Model):
    """A question of the dataset; the position in ``Report.questions`` is its row in every list of scores."""

    id: str
    lang: str
    text: str
    relevant: dict[str, int]
    answers: list[str]


class RetrievedPassage(_Model):
    docid: str
    score: float


class System(_Model):
    """One way to retrieve: an encoder, and what was fused into the passages."""

    name: str
    """Unique in the report: ``multilingual-e5-small + xQG``."""
    encoder: str
    """Fingerprint of the bundle."""
    description: str
    """In a sentence: ``alpha 0.05, 14 queries of 7 languages per passage``."""
    alpha: float
    """0 without fusion."""
    scores: dict[str, list[float | None]]
    """Metric to a score per question, null where the metric does not apply to it (a yes/no question)."""
    means: dict[str, dict[str, Measured]]
    """Metric to language, or ``macro``, to the mean."""
    top: list[list[RetrievedPassage]] = Field(default_factory=list)
    """Per question its first hits, best first (ten in ``report.json``); empty where a study needs no hits."""

    def mean(self, metric: str, lang: str) -> float:
        """NaN where no question of the language has a score by that metric."""
        return self.means[metric].get(lang, math.nan)


class Comparison(_Model):
    """System ``b`` against system ``a`` on one metric, questions paired."""

    a: str
    b: str
    metric: str
    rows: dict[str, "ComparedLanguage"]
    """Language, or ``macro``, to what was found; ``macro`` averages over languages, all weighing the same.

    Questions about one passage are drawn together, and get one sign, in every language at once; a
    question without a relevant passage stands alone.
    """


class ComparedLanguage(_Model):
    """One language's differences ``b - a``."""

    questions: int
    mean_a: Measured
    mean_b: Measured
    difference: Measured
    ci_low: Measured
    ci_high: Measured
    """Of the difference, 95%, bootstrap over passages, each with all its questions."""
    p_t: float | None
    """Paired t, errors clustered by passage; null where passages do not differ, or a language has only one."""
    p_permutation: float
    """Paired sign-flip permutation, one sign per passage."""
    p_holm: float | None
    """``p_permutation`` after Holm over the languages; null for ``macro``, which is a test of its own."""
    wins: int
    ties: int
    losses: int
    verdict: Verdict

    @property
    def p_deciding(self) -> float:
        """What the verdict goes by."""
        return self.p_permutation if self.p_holm is None else self.p_holm


class Table(_Model):
    """A table as it is printed; numbers are text already, so that every format shows the same."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


class Plot(_Model):
    """A picture."""

    title: str
    alt: str
    """What it shows, in words."""
    file: str
    """Name of the SVG beside the report; a PNG of the same stem is beside it."""


class ChangedQuestion(_Model):
    """A question whose relevant passage came into the first hits, or left them."""

    question: str
    """Id."""
    change: Literal["gained", "lost"]
    rank_a: int | None
    rank_b: int | None
    """Of the first relevant passage; null where it is not among the hits kept."""
    docid: str
    title: str
    text: str
    nearest: list["NearText"]
    """Fused texts of the passage that lie nearest to the question, best first."""


class NearText(_Model):
    lang: str
    text: str
    score: float


class Study(_Model):
    """What one study found."""

    name: Literal["compare", "alpha", "queries", "languages", "texts", "encoders", "service"]
    title: str
    summary: str
    """Two or three sentences: what was varied, what held still, what came out."""
    tables: list[Table] = Field(default_factory=list)
    plots: list[Plot] = Field(default_factory=list)
    comparisons: list[Comparison] = Field(default_factory=list)
    changed: list[ChangedQuestion] = Field(default_factory=list)


class Report(_Model):
    """Everything that was found, and how to find it again."""

    format: Literal[1] = 1
    created_at: str
    """ISO 8601, UTC."""
    command: list[str]
    """What was typed, without paths of the machine that are not the user's own."""
    versions: dict[str, str]
    """Package to version, with Python and the platform."""
    seed: int
    depth: int = 100
    """Hits per question that were judged."""
    dataset: DatasetFacts
    encoders: dict[str, str]
    """Name to fingerprint."""
    metrics: list[str]
    """Most telling first."""
    questions: list[AskedQuestion]
    systems: list[System]
    """``compare`` leaves two per encoder, without and with xQG; the gate reads the second."""
    studies: list[Study]
