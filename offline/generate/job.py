"""generate(): from a corpus to a file of queries and its sidecar; a killed run goes on where it was."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from app.bundle import sha256_of
from app.errors import ConfigurationError, InputError, RunConflict
from app.languages import CODES
from offline.engine import Engine, LocalEngine
from offline.files import atomic_writer, write_atomically
from offline.generate.folder import Generation, GenerationManifest
from offline.generate.ledger import Ledger
from offline.generate.sources import Source
from offline.generate.worker import BlockGenerator
from offline.locks import setup_lock, worker_lock
from offline.progress import progress
from offline.query_set import QuerySet, sidecar_path
from offline.share import Share
from offline.staging import stage


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Which queries, of what, from where."""

    corpus: Path
    output: Path
    source: Source
    languages: Sequence[str] = CODES
    queries_per_language: int = 5
    block_size: int = 16
    """Passages per block: what a killed run does again at most."""
    share: Share = field(default_factory=Share)
    allow_partial: bool = False
    engine: Engine | None = None
    """Who generates; None for this process."""
    prices: tuple[float, float] | None = None
    """Of a million prompt and a million completion tokens, to tell what a chat server cost."""

    def __post_init__(self) -> None:
        unknown = set(self.languages) - set(CODES)
        if unknown or not self.languages:
            raise ConfigurationError(f"--languages: {', '.join(sorted(unknown))} is none of {', '.join(CODES)}")
        if self.queries_per_language < 1 or self.block_size < 1:
            raise ConfigurationError("queries per language and block size must be at least 1")

    @property
    def queries_path(self) -> Path:
        return self.output / "queries.jsonl"


def generate(request: GenerateRequest, console: Console) -> QuerySet | None:
    """Fill what lacks; once the whole is complete, write ``queries.jsonl`` and its sidecar.

    Returns:
        What the set says about itself; None where other workers' parts are still missing.

    Raises:
        InputError: the corpus cannot be used, or passages lack queries when all was tried.
        RunConflict: the folder holds another generation, or is being written.
        GeneratorUnavailable: the source cannot work now.
        ConfigurationError: the source cannot work as asked.
    """
    generation = Generation(request.output)
    with worker_lock(request.output, request.share):
        with setup_lock(request.output, console):
            manifest = _begin_or_resume(request, generation, console)
        _fill(request, generation, manifest, console)
        with setup_lock(request.output, console):
            return _finish(request, generation, manifest, console)


def _begin_or_resume(request: GenerateRequest, generation: Generation, console: Console) -> GenerationManifest:
    there = generation.manifest()
    identity = request.source.prepare(request.output, console)
    languages = [code for code in CODES if code in request.languages]
    if there is None:
        report = stage(generation.staging_path, request.corpus, None, passages_alone=True)
        manifest = GenerationManifest(
            generator=identity,
            languages=languages,
            queries_per_language=request.queries_per_language,
            corpus_sha256=sha256_of(request.corpus),
            corpus_digest=report.corpus_digest,
            passages=report.passages,
            block_size=request.block_size,
        )
        generation.begin(manifest)
        return manifest
    if not request.corpus.is_file():
        raise ConfigurationError(f"there is no file {request.corpus}")
    for what, asked, held in (
        ("another corpus", sha256_of(request.corpus), there.corpus_sha256),
        ("another generator or other settings", identity, there.generator),
        ("another --block-size", request.block_size, there.block_size),
        ("more languages", set(there.languages) - set(languages), set()),
        ("more queries per language", max(there.queries_per_language - request.queries_per_language, 0), 0),
    ):
        if asked != held:
            raise RunConflict(f"{request.output} holds a generation with {what}; give another folder")
    grown = there.model_copy(update={"languages": languages, "queries_per_language": request.queries_per_language})
    if grown != there:  # more of the same: only what is missing is generated
        generation.begin(grown)
    return grown


def _fill(request: GenerateRequest, generation: Generation, manifest: GenerationManifest, console: Console) -> None:
    """Do this worker's blocks that are missing or lack queries."""
    mine = request.share.units(manifest.block_count)
    todo = generation.unfinished(manifest, mine)
    passages = sum(len(manifest.rows(number)) for number in mine)
    done = passages - sum(len(manifest.rows(number)) for number in todo)
    if done:
        console.print(f"going on after {done:,} of {passages:,} passages")
    if not todo:
        return
    make_worker = functools.partial(BlockGenerator, request.output, request.source)
    with progress(console, "generating", passages, done) as advance:
        for report in (request.engine or LocalEngine()).run(make_worker, todo):
            advance(report.passages, report.queries)


def _finish(
    request: GenerateRequest, generation: Generation, manifest: GenerationManifest, console: Console
) -> QuerySet | None:
    """Put the blocks together, once all are there and lack nothing."""
    absent = manifest.block_count - generation.blocks_there()
    if absent:  # known without reading what the other workers wrote
        console.print(
            f"part {request.share} is done; the queries are put together when the other parts are, of which "
            f"{absent:,} of {manifest.block_count:,} blocks are missing"
        )
        return None
    ledger = Ledger.of(generation, manifest)
    ledger.show(manifest, console, request.prices)
    if ledger.lacking and not request.allow_partial:
        raise InputError(
            f"{request.output}: {ledger.what_lacks()}; run the same command again to ask for these alone, or pass "
            "--allow-partial"
        )
    described = QuerySet(
        generator=manifest.generator,
        languages=manifest.languages,
        queries_per_language=manifest.queries_per_language,
        passages=manifest.passages,
        corpus_digest=manifest.corpus_digest,
        queries={code: ledger.queries[code] for code in manifest.languages},
        lacking=dict(ledger.lacking),
        tally=dict(ledger.tally),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with atomic_writer(request.queries_path) as file:
        for number in range(manifest.block_count):
            block = generation.read_block(number)
            assert block is not None, "the ledger has just seen it"
            for docid, cells in zip(block.docids, block.cells, strict=True):
                queries = {code: cells[code].queries for code in manifest.languages if code in cells}
                file.write(json.dumps({"docid": docid, "generated_queries": queries}, ensure_ascii=False) + "\n")
    write_atomically(sidecar_path(request.queries_path), described.model_dump_json(indent=1))
    console.print(f"{request.queries_path}: {sum(described.queries.values()):,} queries")
    return described
