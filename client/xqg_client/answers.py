"""What the service answers, as frozen dataclasses.

Fields that a newer service adds are passed over, so that an older client still reads its answers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)

Json = Mapping[str, Any]


def _known(kind: "type[T]", answer: Json, **nested: Any) -> "T":
    """Raises TypeError where a field that the client knows is missing."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in answer.items() if name in names} | nested)


@dataclass(frozen=True, slots=True)
class MatchedQuery:
    """A query generated for a passage, with its similarity to the question."""

    lang: str
    query: str
    score: float


def _matched(answer: Iterable[Json]) -> tuple[MatchedQuery, ...]:
    return tuple(_known(MatchedQuery, each) for each in answer)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found; ``rank`` counts from 1, a higher ``score`` is closer."""

    rank: int
    docid: str
    title: str
    text: str
    score: float
    metadata: Json
    matched_queries: tuple[MatchedQuery, ...] = ()
    """The generated queries closest to the question, with ``explain`` and for the first 20 hits."""

    @classmethod
    def read(cls, answer: Json) -> Self:
        return _known(cls, answer, matched_queries=_matched(answer.get("matched_queries", ())))


@dataclass(frozen=True, slots=True)
class Index:
    """The index that answered."""

    collection: str
    run_id: str
    alpha: float
    passages: int


@dataclass(frozen=True, slots=True)
class Encoder:
    """The encoder that embedded the question."""

    source: str
    fingerprint: str
    precision: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The closest passages, closest first."""

    query: str
    hits: tuple[Hit, ...]
    index: Index
    encoder: Encoder
    timings_ms: Mapping[str, float]
    """Milliseconds in the service, by stage: queue, tokenize, encode, search, total."""
    truncated: bool
    """The question was longer than the encoder reads, and was cut."""
    request_id: str

    @classmethod
    def read(cls, answer: Json) -> Self:
        return _known(
            cls,
            answer,
            hits=tuple(Hit.read(each) for each in answer["hits"]),
            index=_known(Index, answer["index"]),
            encoder=_known(Encoder, answer["encoder"]),
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a passage is close to a question: the queries that its vector was fused with."""

    query: str
    docid: str
    lang: str
    """The question's language, as given or by its script; else ``other`` or ``unknown``."""
    matched_queries: tuple[MatchedQuery, ...]
    """Every generated query of the passage, closest to the question first."""
    request_id: str

    @classmethod
    def read(cls, answer: Json) -> Self:
        return _known(cls, answer, matched_queries=_matched(answer["matched_queries"]))


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored passage; ``generated_queries`` maps language code to queries, where they were kept."""

    docid: str
    title: str
    text: str
    metadata: Json
    generated_queries: Mapping[str, list[str]]

    @classmethod
    def read(cls, answer: Json) -> Self:
        return _known(cls, answer)


@dataclass(frozen=True, slots=True)
class EncoderInfo(Encoder):
    """The encoder in full."""

    revision: str
    dimension: int
    pooling: str
    normalize: bool
    similarity: str
    query_max_tokens: int
    device: str
    engine: str
    arithmetic: str


@dataclass(frozen=True, slots=True)
class IndexInfo(Index):
    """The index in full; ``fields`` maps what a filter may name to its type."""

    created_at: str
    augmented_passages: int
    queries_per_language: Mapping[str, int]
    fields: Mapping[str, str]
    explain: bool
    corpus_digest: str | None = None
    """SHA-256 over the passages in their order; None from a service that does not tell."""
    queries_digest: str | None = None
    """SHA-256 over their generated queries; None too where there are none."""


@dataclass(frozen=True, slots=True)
class Info:
    """What runs there; ``index`` is None while none is open."""

    version: str
    encoder: EncoderInfo
    index: IndexInfo | None
    limits: Mapping[str, float]
    index_refused: str | None = None
    """Why the newest index is not served."""

    @classmethod
    def read(cls, answer: Json) -> Self:
        index = answer["index"]
        return _known(
            cls,
            answer,
            encoder=_known(EncoderInfo, answer["encoder"]),
            index=None if index is None else _known(IndexInfo, index),
        )


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether searches can be answered, which is also its truth value."""

    ready: bool
    reason: str = ""
    """Why not."""

    def __bool__(self) -> bool:
        return self.ready
