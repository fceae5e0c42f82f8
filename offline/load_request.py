"""What a load is asked for, and what must be true before it begins."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from app.engines import Device
from app.errors import ConfigurationError, RunConflict
from app.index import IndexContract, IndexLocation, ServerAccess, check_collection
from app.index.contract import FieldType
from offline.run import Run, RunManifest
from offline.share import Share
from offline.staging import field_type
from offline.writers import Storage, Uploads


@dataclass(frozen=True, slots=True)
class GateRequest:
    """What a load is held to before it writes anything."""

    report: Path
    """``report.json`` of an evaluation: its questions are asked again."""
    bundle: Path
    """The encoder that embedded the vectors."""
    max_drop: float = 0.01
    """How much the mean of a language may fall, 0 to 1."""
    device: Device = "cpu"


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Which vectors go where, and how they are fused."""

    vectors: Path
    index: str
    collection: str
    alpha: float = 0.01
    keep_queries: bool = True
    filter_fields: Sequence[str] = ()
    rebuild: bool = False
    """Fill a fresh collection even where this content was loaded before."""
    access: ServerAccess = field(default_factory=lambda: ServerAccess(timeout_s=60))
    allow_partial: bool = False
    """Load a run in which some passages lack queries that others have."""
    share: Share = Share()  # noqa: RUF009, frozen
    """Which of the run's shards this worker loads."""
    storage: Storage = Storage()  # noqa: RUF009, frozen
    uploads: Uploads = Uploads()  # noqa: RUF009, frozen
    gate: GateRequest | None = None
    """None to make live whatever was embedded."""


def collection_name(request: LoadRequest, manifest: RunManifest) -> str:
    """Alias, then twelve hex digits over all that decides the content: same content, same name."""
    content: list[object] = [manifest.run_id, request.alpha, request.keep_queries, sorted(request.filter_fields)]
    if request.storage != Storage():
        content.append(asdict(request.storage))
    return f"{request.collection}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]}"


def check_options(request: LoadRequest, location: IndexLocation) -> None:
    """Raises ConfigurationError where options are out of range or do not suit the engine."""
    check_collection(request.collection)
    if not 1 <= request.uploads.batch_points <= 1024:
        raise ConfigurationError(f"--batch-points {request.uploads.batch_points}: give 1 to 1024")
    for name in request.filter_fields:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise ConfigurationError(f"--filter-field {name!r}: name a field of letters, digits, '_' and '-'")
    if location.folder is None:
        return
    storage = request.storage
    for option, asked in (
        ("--shard", not request.share.is_whole),
        ("--parallel-uploads", request.uploads.parallel is not None),
        ("--collection-shards", storage.shards is not None),
        ("--replication-factor", storage.replication_factor is not None),
        ("--write-consistency", storage.write_consistency_factor is not None),
    ):
        if asked:
            raise ConfigurationError(
                f"{option} is for a Qdrant server: an Edge folder has one writer and one copy; leave it out, or give "
                "--index http://host:6333"
            )


def finished(run: Run) -> RunManifest:
    """The manifest of a run that lacks nothing.

    Raises:
        ConfigurationError: there is no run.
        RunConflict: shards are missing.
    """
    manifest = run.manifest()
    if manifest is None:
        raise ConfigurationError(f"{run.folder} holds no vectors; make them with `python -m offline embed`")
    missing = run.missing_shards(manifest)
    if missing:
        rows = manifest.rows(missing[0])
        raise RunConflict(
            f"{run.folder} lacks {len(missing)} of {manifest.shard_count} shards, the first with the passages "
            f"{rows.start + 1} to {rows.stop}; run `python -m offline embed` again, it does only what is missing"
        )
    return manifest


def contract_of(request: LoadRequest, run: Run, manifest: RunManifest) -> IndexContract:
    """What the index will say about itself; not complete yet."""
    fields: dict[str, FieldType] = {}
    with run.staging() as staging:
        for name in request.filter_fields:
            kind = field_type(staging, name)
            if kind is None:
                raise ConfigurationError(
                    f"--filter-field {name}: no passage has this field, or not of one type everywhere"
                )
            fields[name] = kind
    report = manifest.report
    return IndexContract(
        run_id=manifest.run_id,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        encoder=manifest.encoder,
        alpha=request.alpha,
        passages=report.passages,
        augmented_passages=report.augmented_passages,
        queries_per_language=report.queries_per_language,
        corpus_digest=report.corpus_digest,
        queries_digest=report.queries_digest,
        keeps_queries=request.keep_queries and report.augmented_passages > 0,
        fields=fields,
    )
