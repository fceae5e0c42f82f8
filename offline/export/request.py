"""What to export and how; apart from the exporter, since torch takes seconds to import."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Pooling = Literal["cls", "mean"]
Similarity = Literal["dot", "cosine"]
Precision = Literal["fp32", "fp16", "int8", "int4"]


@dataclass(frozen=True, slots=True)
class EmbeddingOptions:
    """What the user said; ``None`` means that the checkpoint decides."""

    pooling: Pooling | None = None
    normalize: bool | None = None
    similarity: Similarity | None = None
    query_prefix: str | None = None
    passage_prefix: str | None = None
    query_max_tokens: int = 128
    passage_max_tokens: int = 256


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export: one encoder for both sides, or a query and a passage encoder.

    ``query_model`` and ``passage_model`` are hub ids or folders; where they are the same, the
    towers are tied and the bundle holds one graph.
    """

    query_model: str
    passage_model: str
    output: Path
    revision: str = "main"
    precision: Precision = "fp32"
    options: EmbeddingOptions = field(default_factory=EmbeddingOptions)
