"""Passages and hits, and the stored payload spelled once."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import IndexUnavailable

# Any fixed namespace will do, but it must never change: point ids derive from it.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:xqg:passage")

QUERIES_KEY = "generated_queries"
"""Payload key of the generated queries, which a search fetches only to explain: they are longer than many a passage."""

METADATA_KEY = "metadata"
"""Payload key under which a passage's own fields are stored, so that none can hide ours."""


@dataclass(frozen=True, slots=True)
class Passage:
    """An English passage; ``generated_queries`` maps language code to queries, where kept."""

    docid: str
    title: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    generated_queries: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def embedded_text(self) -> str:
        """What the passage tower embeds: ``title + " " + text``."""
        return f"{self.title} {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved passage; ``score`` is the index's similarity, higher is closer."""

    passage: Passage
    score: float


def point_id(docid: str) -> str:
    """UUIDv5 of the docid, so that a re-run overwrites instead of duplicating."""
    return str(uuid.uuid5(_NAMESPACE, docid))


def to_payload(passage: Passage) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "docid": passage.docid,
        "title": passage.title,
        "text": passage.text,
        METADATA_KEY: dict(passage.metadata),
    }
    if passage.generated_queries:
        payload[QUERIES_KEY] = dict(passage.generated_queries)
    return payload


def from_payload(payload: Mapping[str, Any]) -> Passage:
    """Raises IndexUnavailable where it is no passage's, as in a collection that others write to."""
    try:
        return Passage(
            docid=payload["docid"],
            title=payload["title"],
            text=payload["text"],
            metadata=payload.get(METADATA_KEY, {}),
            generated_queries=payload.get(QUERIES_KEY, {}),
        )
    except KeyError as error:
        raise IndexUnavailable(f"the index holds a point without {error}; load with --rebuild") from error
