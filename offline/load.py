"""Fuse vectors, fill a fresh collection, verify it, and only then make it live."""

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from app.errors import ConfigurationError, RunConflict, VerificationError
from app.index import IndexContract, IndexLocation, ServerAccess, check_collection
from app.index.contract import FieldType
from app.passages import Passage
from app.vectors import Vectors
from offline.fuse import fuse
from offline.progress import progress
from offline.run import Run, RunManifest
from offline.shards import read_shard
from offline.staging import field_type, read_staged
from offline.writers import CollectionWriter, open_writer

_UPSERT_POINTS = 128
_SAMPLE_PER_SHARD = 4


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


async def load(request: LoadRequest, console: Console) -> IndexContract:
    """Make the vectors of an embed run searchable under the alias ``collection``.

    Loading the same run with the same options again changes nothing; a killed load is done
    again from its beginning, into a collection that was never live.

    Raises:
        RunConflict: the run is unfinished, or another load is writing.
        VerificationError: what the index holds is not what was written; the alias stays.
        IndexUnavailable: the engine does not answer.
    """
    location = IndexLocation.parse(request.index)
    check_collection(request.collection)
    for name in request.filter_fields:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise ConfigurationError(f"--filter-field {name!r}: name a field of letters, digits, '_' and '-'")
    run = Run(request.vectors)
    manifest = run.manifest()
    if manifest is None:
        raise ConfigurationError(f"{request.vectors} holds no vectors; make them with `python -m offline embed`")
    missing = run.missing_shards(manifest)
    if missing:
        rows = manifest.rows(missing[0])
        raise RunConflict(
            f"{request.vectors} lacks {len(missing)} of {manifest.shard_count} shards, the first with the passages "
            f"{rows.start + 1} to {rows.stop}; run `python -m offline embed` again, it does only what is missing"
        )
    writer = open_writer(location, request.access)
    try:
        return await write_index(request, run, manifest, writer, console)
    finally:
        await writer.close()


async def write_index(
    request: LoadRequest, run: Run, manifest: RunManifest, writer: CollectionWriter, console: Console
) -> IndexContract:
    """The same on an open writer."""
    contract = _contract(request, run, manifest)
    live = await writer.live(request.collection)
    loaded, fresh = await _versions(writer, collection_name(request, manifest), live)
    if loaded is not None and not request.rebuild:
        if loaded != live:
            await writer.publish(request.collection, loaded)
        console.print(f"{request.collection} -> {loaded}: loaded before, live now")
        return await writer.contract(loaded) or contract
    await writer.reserve(run.staging_path.stat().st_size, contract)
    await writer.begin(fresh, contract)
    if await writer.contract(fresh) != contract:  # known before the hours of filling, not after
        raise VerificationError(f"the index does not keep the contract of {fresh}; xQG needs Qdrant 1.16 or later")
    await _fill(request, run, manifest, writer, contract, console)
    count = await writer.count()
    if count != contract.passages:
        raise VerificationError(f"{fresh} holds {count:,} passages instead of {contract.passages:,}; load again")
    contract = contract.model_copy(update={"complete": True})
    await writer.finish(contract)
    await writer.publish(request.collection, fresh)
    console.print(f"{request.collection} -> {fresh}: {count:,} passages, alpha {request.alpha:g}, verified and live")
    if live is not None:
        before = await writer.contract(live)
        dropped = sorted(set(before.fields) - set(contract.fields)) if before else []
        if dropped:
            console.print(f"{', '.join(dropped)} can no longer be filtered by: no --filter-field named it")
        console.print(f"the index before it, {live}, is kept; a running service serves it until it is restarted")
    return contract


async def _versions(writer: CollectionWriter, name: str, live: str | None) -> tuple[str | None, str]:
    """The whole collection of this content, if any, and a name to fill.

    A rebuild appends -2, -3, … to the name: what is live or whole is never written over.  Of
    several whole ones the live one counts, else the newest.
    """
    whole: str | None = None
    for number in itertools.count(1):
        collection = name if number == 1 else f"{name}-{number}"
        contract = await writer.contract(collection)
        if contract is not None and contract.complete:
            whole = whole if whole is not None and whole == live else collection
        elif collection != live:
            return whole, collection
    raise AssertionError("collections are finite")


async def _fill(
    request: LoadRequest,
    run: Run,
    manifest: RunManifest,
    writer: CollectionWriter,
    contract: IndexContract,
    console: Console,
) -> None:
    """Write every passage, and read some of each shard back."""
    with progress(console, "loading", manifest.report.passages) as advance, run.staging() as staging:
        for number in range(manifest.shard_count):
            rows = manifest.rows(number)
            shard = read_shard(run.shard_path(number))
            vectors = fuse(shard.passages, shard.query_sums, shard.counts, request.alpha)
            passages = [_kept(passage, request) for passage in read_staged(staging, rows.start, rows.stop)]
            for start in range(0, len(passages), _UPSERT_POINTS):
                part = slice(start, start + _UPSERT_POINTS)
                await writer.write(passages[part], vectors[part])
                advance(len(passages[part]), 0)
            chosen = np.linspace(0, len(passages) - 1, _SAMPLE_PER_SHARD).astype(int)
            await _verify_sample(writer, {passages[row].docid: vectors[row] for row in chosen}, contract)


def collection_name(request: LoadRequest, manifest: RunManifest) -> str:
    """Alias, then twelve hex digits over all that decides the content: same content, same name."""
    content = [manifest.run_id, request.alpha, request.keep_queries, sorted(request.filter_fields)]
    return f"{request.collection}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]}"


def _contract(request: LoadRequest, run: Run, manifest: RunManifest) -> IndexContract:
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
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
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


def _kept(passage: Passage, request: LoadRequest) -> Passage:
    if request.keep_queries:
        return passage
    return Passage(passage.docid, passage.title, passage.text, passage.metadata)


async def _verify_sample(writer: CollectionWriter, sample: dict[str, Vectors], contract: IndexContract) -> None:
    """Read some passages back and compare their vectors with what was written."""
    stored = await writer.read_vectors(list(sample))
    for docid, expected in sample.items():
        if docid not in stored:
            raise VerificationError(f"the index lost the passage {docid!r}; load again")
        if contract.encoder.similarity == "cosine":  # Qdrant stores unit vectors for cosine
            expected = expected / np.linalg.norm(expected)
        found = np.asarray(stored[docid], np.float32)
        if found.shape != expected.shape or not np.allclose(found, expected, rtol=1e-3, atol=1e-4):
            raise VerificationError(f"the index holds another vector for {docid!r} than was written; load again")
