"""A bundle: the exported encoder on disk and the manifest that says how to embed with it.

A bundle is a folder: ``model.onnx`` (or ``query.onnx`` and ``passage.onnx`` where the towers
are untied) with its weights in ``model.onnx_data``, ``tokenizer.json`` and ``bundle.json``, the
manifest.  Pooling and normalisation
are inside the ONNX graphs: their one output is the finished vector.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import BundleError

MANIFEST = "bundle.json"
TOKENIZER = "tokenizer.json"


class Side(StrEnum):
    """Which tower, prefix and token limit a text goes through."""

    QUERY = "query"
    PASSAGE = "passage"


class EncoderIdentity(BaseModel):
    """Everything that decides what vector a text gets; two equal identities embed alike."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    revision: str
    passage_source: str | None = None
    passage_revision: str | None = None
    dimension: int
    pooling: Literal["cls", "mean"]
    normalize: bool
    similarity: Literal["dot", "cosine"]
    query_prefix: str
    passage_prefix: str
    query_max_tokens: int
    passage_max_tokens: int
    precision: Literal["fp32", "fp16", "int8", "int4"]
    opset: int
    pad_token_id: int
    files: dict[str, str]
    """SHA-256 in hex of every file of the bundle but the manifest, by name."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex over the canonical JSON of all fields."""
        canonical = json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def differences(self, other: Self) -> dict[str, tuple[Any, Any]]:
        """The fields in which two identities differ, as ``{field: (self, other)}``."""
        mine, theirs = self.model_dump(), other.model_dump()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


class Canary(BaseModel):
    """A text and the vector it must get, float32; readiness embeds these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lang: str
    side: Side
    text: str
    vector: list[float]


class Manifest(BaseModel):
    """The content of ``bundle.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    fingerprint: str
    encoder: EncoderIdentity
    canaries: list[Canary]
    canaries_sha256: str
    """Over their canonical JSON: a changed canary would turn readiness into a lottery."""
    exported_with: dict[str, str]


def digest_of(canaries: Sequence[Canary]) -> str:
    """SHA-256 in hex over the canonical JSON of canaries."""
    content = json.dumps([canary.model_dump() for canary in canaries], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened and verified bundle."""

    folder: Path
    manifest: Manifest

    @property
    def encoder(self) -> EncoderIdentity:
        return self.manifest.encoder

    @property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    def model_path(self, side: Side) -> Path:
        """The ONNX file of one side; both sides share ``model.onnx`` where towers are tied."""
        tied = self.folder / "model.onnx"
        return tied if tied.name in self.encoder.files else self.folder / f"{side}.onnx"

    @property
    def tokenizer_path(self) -> Path:
        return self.folder / TOKENIZER

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read the manifest and check every file against it.

        Raises:
            BundleError: no bundle is there, a file is missing or has a changed byte, or the
                manifest was edited or comes from another version.
        """
        path = folder / MANIFEST
        if not path.is_file():
            raise BundleError(f"{folder} is no bundle: it has no {MANIFEST}; make one with `python -m offline export`")
        try:
            manifest = Manifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise BundleError(f"{path}: {where}: {first['msg']}; export the bundle again") from error
        if manifest.encoder.fingerprint != manifest.fingerprint:
            raise BundleError(f"{path} was edited: its fingerprint does not fit its fields; export the bundle again")
        sides = {canary.side for canary in manifest.canaries}
        if digest_of(manifest.canaries) != manifest.canaries_sha256 or Side.QUERY not in sides:
            raise BundleError(f"{path} was edited: its canaries are not those of the export; export the bundle again")
        for name, expected in manifest.encoder.files.items():
            file = folder / name
            if not file.is_file():
                raise BundleError(f"{folder}: {name} is missing; copy the whole folder or export it again")
            if sha256_of(file) != expected:
                raise BundleError(f"{file} is damaged: its SHA-256 is not the manifest's; copy or export it again")
        return cls(folder, manifest)
