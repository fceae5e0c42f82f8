"""Request and response models of the HTTP interface."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.examples import DOCID, HIT, MATCHED_QUERIES, QUESTION, QUESTIONS
from app.fields import Docid, LanguageTag, QueryText, WholeNumber
from app.index.contract import FieldType
from app.retriever import EXPLAINED_HITS

MAX_BATCH_SEARCHES = 64


class SearchRequest(BaseModel):
    """A question in any language."""

    model_config = ConfigDict(extra="forbid", strict=True)  # "10" is no number: the schema is what holds

    query: QueryText = Field(description="The question, in any of the seven languages.", examples=[QUESTION])
    top_k: WholeNumber = Field(default=10, ge=1, le=100, description="How many passages to return.")
    lang: LanguageTag | None = Field(
        default=None,
        description="The question's language, if known: for metrics and logs, without effect on the hits.",
        examples=["te"],
    )
    filter: dict[str, Any] = Field(
        default_factory=dict,
        description="Conditions on metadata, all of which must hold: a value, a list of values (any of them), "
        '`{"gte": 1900, "lt": 2000}` on numbers, or `{"not": …}`. `/v1/info` lists the fields.',
        examples=[{"topic": ["Arts", "Technology"]}],
    )
    min_score: float | None = Field(default=None, allow_inf_nan=False, description="Leave out hits below this score.")
    explain: bool = Field(
        default=False,
        description=f"Add the generated queries closest to the question, to the first {EXPLAINED_HITS} hits; "
        "not in a batch.",
    )


class MatchedQueryModel(BaseModel):
    """A generated query that pulls its passage towards the question."""

    lang: str
    query: str
    score: float


class HitModel(BaseModel):
    """A passage that was found."""

    model_config = ConfigDict(json_schema_extra={"examples": [HIT]})

    rank: int = Field(description="From 1.")
    docid: str
    title: str
    text: str
    score: float = Field(description="Similarity to the question; higher is closer.")
    metadata: dict[str, Any]
    matched_queries: list[MatchedQueryModel] | None = Field(
        default=None, description=f"With `explain`, for the first {EXPLAINED_HITS}."
    )


class IndexModel(BaseModel):
    """The index that answered."""

    collection: str
    run_id: str
    alpha: float
    passages: int


class EncoderModel(BaseModel):
    """The encoder that embedded the question."""

    source: str
    fingerprint: str
    precision: str


class Timings(BaseModel):
    """Milliseconds by stage."""

    queue: float
    tokenize: float
    encode: float
    search: float
    total: float


class SearchResponse(BaseModel):
    """The closest passages."""

    query: str
    hits: list[HitModel]
    index: IndexModel
    encoder: EncoderModel
    timings_ms: Timings
    truncated: bool = Field(description="The question was longer than the encoder reads, and was cut.")
    request_id: str


class ExplainRequest(BaseModel):
    """A question, and a passage that it found."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: QueryText = Field(examples=[QUESTION])
    docid: Docid = Field(description="As in the hit.", examples=[DOCID])
    lang: LanguageTag | None = Field(default=None, description="The question's language, if known.", examples=["te"])


class ExplainResponse(BaseModel):
    """Why a passage is close to a question: the queries that its vector was fused with."""

    query: str
    docid: str
    lang: str = Field(description="The question's language, as given or by its script; else `other` or `unknown`.")
    matched_queries: list[MatchedQueryModel] = Field(
        description="Every generated query of the passage, closest to the question first.", examples=[MATCHED_QUERIES]
    )
    request_id: str


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class ProblemModel(BaseModel):
    """An error, as of RFC 9457; `type` is stable, `detail` says what to do."""

    type: str = Field(examples=["urn:xqg:problem:invalid-request"])
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldProblem] | None = None


class BatchRequest(BaseModel):
    """Several searches in one request; each is checked and answered for itself."""

    model_config = ConfigDict(extra="forbid")

    searches: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MAX_BATCH_SEARCHES,
        description="Each as the body of `POST /v1/search`.",
        examples=[[{"query": question, "top_k": 1} for question in QUESTIONS]],
    )


class BatchItem(BaseModel):
    """One search's outcome: exactly one of the two is set."""

    result: SearchResponse | None = None
    error: ProblemModel | None = None


class BatchResponse(BaseModel):
    """Outcomes in the order of the searches."""

    results: list[BatchItem]
    request_id: str


class PassageModel(BaseModel):
    """A stored passage."""

    docid: str
    title: str
    text: str
    metadata: dict[str, Any]
    generated_queries: dict[str, list[str]]


class EncoderInfo(EncoderModel):
    """The encoder in full."""

    revision: str
    dimension: int
    pooling: str
    normalize: bool
    similarity: str
    query_max_tokens: int
    device: str
    engine: str = Field(description="What runs the graph, with its version.")
    arithmetic: str = Field(description="Type of the matrix products: float32, bfloat16 or float16.")


class IndexInfo(IndexModel):
    """The index in full."""

    created_at: str
    augmented_passages: int
    queries_per_language: dict[str, int]
    corpus_digest: str = Field(description="SHA-256 over the passages in their order.")
    queries_digest: str | None = Field(
        description="SHA-256 over the generated queries of the passages in their order; null where none were given."
    )
    fields: dict[str, FieldType]
    explain: bool = Field(description="Whether `explain` can be asked for.")


class Info(BaseModel):
    """What runs here; `index` is null while none is open."""

    version: str
    encoder: EncoderInfo
    index: IndexInfo | None
    index_refused: str | None = Field(description="Why the index that the alias points at now is not served.")
    limits: dict[str, int | float]


class Health(BaseModel):
    """The process lives."""

    status: str = "ok"


class Readiness(BaseModel):
    """A canary was embedded as expected and the index answered."""

    status: str = "ready"
    collection: str
    passages: int
