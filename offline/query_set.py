"""QuerySet: what a file of generated queries says about itself, in a sidecar beside it.

``queries.jsonl`` has its sidecar in ``queries.meta.json``: who made the queries, how, and how
many were promised for each passage.  embed and load hold the file against it.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from app.errors import InputError
from app.languages import normalise_tag
from offline.generate.generator import GeneratorIdentity


class FilterSettings(BaseModel):
    """How a set was filtered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder_fingerprint: str | None
    """Of the encoder that scored the queries, None where the rules alone were kept."""
    keep_share: float
    sample_passages: int
    dropped: dict[str, dict[str, int]]
    """Language to reason to count."""


class QuerySet(BaseModel):
    """The content of a sidecar."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    generator: GeneratorIdentity
    languages: list[Annotated[str, AfterValidator(normalise_tag)]]
    queries_per_language: int
    """Promised for each passage; a filter may have dropped some."""
    passages: int
    corpus_digest: str
    queries: dict[str, int]
    """Language to the number of queries in the file."""
    lacking: dict[str, int]
    """Language to the number of passages with fewer than promised."""
    tally: dict[str, int]
    """What making them took: requests, tokens."""
    filter: FilterSettings | None = None
    created_at: str
    """ISO 8601, UTC."""


def sidecar_path(queries: Path) -> Path:
    """``queries.jsonl.gz`` -> ``queries.meta.json``."""
    name = queries.name.removesuffix(".gz")
    return queries.with_name(f"{Path(name).stem}.meta.json")


def read_sidecar(queries: Path) -> QuerySet | None:
    """The set's sidecar, None where it has none: files made elsewhere promise nothing.

    Raises:
        InputError: the sidecar cannot be read.
    """
    path = sidecar_path(queries)
    if not path.is_file():
        return None
    try:
        return QuerySet.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path} cannot be read as what `generate` writes; mend it or move it away") from error
