"""Contracts and identities with four dimensions, for tests that need no encoder."""

from pathlib import Path
from typing import Any

from app.bundle import Bundle, Canary, EncoderIdentity, Manifest, Side
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

BUNDLE = Bundle(
    Path("tiny"),
    Manifest(
        format=1,
        fingerprint=IDENTITY.fingerprint,
        encoder=IDENTITY,
        canaries=[Canary(lang="fi", side=Side.QUERY, text="?", vector=[1, 0, 0, 0])],
        canaries_sha256="",
        exported_with={},
    ),
)
"""What a keeper needs of one; there is no such folder."""


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
