"""Digests of corpora and queries: what an index and a dataset are known by, whatever file they came from."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from app.passages import Passage


def canonical_json(value: Any) -> str:
    """The same text for equal values; digests and comparisons rest on it."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def canonical_passage(passage: Passage) -> bytes:
    """What a corpus digest has of a passage; its queries do not count."""
    return canonical_json([passage.docid, passage.title, passage.text, passage.metadata]).encode() + b"\n"


def canonical_queries(passage: Passage) -> bytes:
    """What a queries digest has of a passage; its text does not count."""
    return canonical_json([passage.docid, passage.generated_queries]).encode() + b"\n"


def corpus_digest_of(passages: Iterable[Passage]) -> str:
    """``StagingReport.corpus_digest`` of passages in their order."""
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(canonical_passage(passage))
    return digest.hexdigest()


def queries_digest_of(passages: Iterable[Passage]) -> str:
    """``StagingReport.queries_digest`` of passages in their order, each with its queries."""
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(canonical_queries(passage))
    return digest.hexdigest()
