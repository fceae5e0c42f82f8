"""Contracts and identities with four dimensions, for tests that need no encoder."""

from typing import Any

from app.bundle import EncoderIdentity
from app.index import IndexContract

IDENTITY = EncoderIdentity(
    source="tiny",
    revision="local",
    dimension=4,
    pooling="cls",
    normalize=False,
    similarity="cosine",
    query_prefix="",
    passage_prefix="",
    query_max_tokens=32,
    passage_max_tokens=64,
    precision="fp32",
    opset=18,
    pad_token_id=0,
    files={"model.onnx": "00", "tokenizer.json": "11"},
)


def contract(**changes: Any) -> IndexContract:
    fields: dict[str, Any] = {
        "complete": True,
        "run_id": "abc",
        "created_at": "2026-01-01T00:00:00+00:00",
        "encoder": IDENTITY,
        "alpha": 0.05,
        "passages": 3,
        "augmented_passages": 3,
        "queries_per_language": {"ar": 3},
        "corpus_digest": "c",
        "queries_digest": "q",
        "keeps_queries": True,
        "fields": {"topic": "keyword", "year": "integer", "weight": "float", "open": "bool"},
    }
    return IndexContract(**(fields | changes))
