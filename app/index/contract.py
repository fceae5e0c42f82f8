"""What an index says about itself, and whether an encoder belongs to it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from app.bundle import Bundle, EncoderIdentity
from app.errors import ContractMismatch, NotReady

FieldType = Literal["keyword", "integer", "float", "bool"]


class IndexContract(BaseModel):
    """Stored with every index: beside an Edge shard, in a server collection's metadata."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    complete: bool = False
    """False until every passage was written and verified."""
    build_id: str = ""
    """Random, new with every collection that a load begins: what was loaded is remembered under it."""
    run_id: str
    """The embed run that the vectors come from."""
    created_at: str
    """ISO 8601, UTC."""
    encoder: EncoderIdentity
    alpha: float
    """Weight of the generated queries in ``(1-alpha) * E(p) + alpha * sum(E(q))``."""
    passages: int
    augmented_passages: int
    """Passages that have at least one generated query."""
    queries_per_language: dict[str, int]
    corpus_digest: str
    queries_digest: str | None
    keeps_queries: bool
    """Whether the generated queries are in the payload, as ``explain`` needs."""
    fields: dict[str, FieldType]
    """Metadata fields that a filter may name."""

    def check_encoder(self, bundle: Bundle, collection: str) -> None:
        """Refuse an encoder that did not build this index.

        Raises:
            ContractMismatch: names every field that differs, with both values.
        """
        differing = self.encoder.differences(bundle.encoder)
        if not differing:
            return
        fields = "; ".join(
            f"{name} is {_short(index)} in the index and {_short(served)} in the bundle"
            for name, (index, served) in differing.items()
        )
        raise ContractMismatch(
            f"the index {collection} was not built by the encoder {bundle.folder}: {fields}. "
            "Serve with the bundle that built the index, or build an index with this bundle"
        )

    def check_count(self, count: int, collection: str) -> None:
        """Raises NotReady where the index holds fewer or more passages than were loaded."""
        if count != self.passages:
            raise NotReady(f"{collection} holds {count:,} passages, not {self.passages:,}; load with --rebuild")


def _short(value: object) -> str:
    if isinstance(value, dict):  # file digests
        return "{" + ", ".join(f"{name}: {str(digest)[:12]}…" for name, digest in value.items()) + "}"
    return repr(value)
