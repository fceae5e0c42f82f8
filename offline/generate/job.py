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
from offline.files import atomic_writer, suffix_of, write_atomically
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
            named = ", ".join(sorted(unknown)) or "nothing"
            raise ConfigurationError(f"--languages: {named} is none of {', '.join(CODES)}")
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
    suffix_of(request.corpus)  # says so if it is missing
    with worker_lock(request.output, request.share):
        corpus_sha256 = sha256_of(request.corpus)  # minutes for a large one, so not while others wait
        with setup_lock(request.output, console):
            manifest = _begin_or_resume(request, generation, corpus_sha256, console)
        _fill(request, generation, manifest, console)
        with setup_lock(request.output, console):
            return _finish(request, generation, manifest, console)


def _begin_or_resume(
    request: GenerateRequest, generation: Generation, corpus_sha256: str, console: Console
) -> GenerationManifest:
    there = generation.manifest()
    if there is not None and there.corpus_sha256 != corpus_sha256:
        raise RunConflict(f"{request.output} holds a generation with another corpus; give another folder")
    corpus_digest, passages = (there.corpus_digest, there.passages) if there else ("", 0)
    if there is None or not generation.staging_path.is_file():
        report = stage(generation.staging_path, request.corpus, None, passages_alone=True)
        corpus_digest, passages = report.corpus_digest, report.passages
    asked = GenerationManifest(
        generator=request.source.prepare(generation.folder, console),
        languages=[code for code in CODES if code in request.languages],
        queries_per_language=request.queries_per_language,
        corpus_sha256=corpus_sha256,
        corpus_digest=corpus_digest,
        passages=passages,
        block_size=request.block_size,
    )
    if there is not None:
        _refuse_another(request, there, asked)
    if asked != there:  # new, or more of the same: only what is missing is generated
        generation.begin(asked)
    return asked


def _refuse_another(request: GenerateRequest, there: GenerationManifest, asked: GenerationManifest) -> None:
    for what, differs in (
        ("another generator or other settings", there.generator != asked.generator),
        ("another --block-size", there.block_size != asked.block_size),
        ("more languages", set(there.languages) > set(asked.languages)),
        ("other languages", not set(there.languages) <= set(asked.languages)),
        ("more queries per language", there.queries_per_language > asked.queries_per_language),
    ):
        if differs:
            raise RunConflict(f"{request.output} holds a generation with {what}; give another folder")


def _fill(request: GenerateRequest, generation: Generation, manifest: GenerationManifest, console: Console) -> None:
    """Do this worker's blocks that are missing or lack queries."""
    mine = request.share.units(manifest.block_count)
    generation.remove_partials(mine)
    todo = generation.unfinished(manifest, mine)
    passages = sum(len(manifest.rows(number)) for number in mine)
    done = passages - sum(len(manifest.rows(number)) for number in todo)
    if done:
        console.print(f"going on after {done:,} of {passages:,} passages")
    if not todo:
        return
    make_worker = functools.partial(BlockGenerator, request.output.resolve(), request.source, request.allow_partial)
    with progress(console, "generating", passages, done) as advance:
        for report in (request.engine or LocalEngine()).run(make_worker, todo):
            advance(report.passages, report.queries)


def _refuse_lacking(request: GenerateRequest, ledger: Ledger) -> None:
    if ledger.lacking and not request.allow_partial:
        raise InputError(
            f"{request.output}: {ledger.what_lacks()}; run the same command again to ask for these alone, or pass "
            "--allow-partial"
        )


def _finish(
    request: GenerateRequest, generation: Generation, manifest: GenerationManifest, console: Console
) -> QuerySet | None:
    """Put the blocks together, once all are there and lack nothing."""
    if not request.share.is_whole:
        _refuse_lacking(request, Ledger.of(generation, manifest, request.share.units(manifest.block_count)))
    absent = manifest.block_count - generation.blocks_there()
    ledger = Ledger() if absent else Ledger.of(generation, manifest)
    if absent or (ledger.lacking and not request.share.is_whole and not request.allow_partial):
        console.print(f"part {request.share} is done; the queries are put together when the other parts are")
        return None
    ledger.show(manifest, console, request.prices)
    _refuse_lacking(request, ledger)
    for partial in request.output.glob(f"{request.queries_path.name}.*.partial"):  # of a killed process
        partial.unlink(missing_ok=True)
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
            block = generation.read_block(manifest, number)
            assert block is not None, "the ledger has just seen it"
            for docid, cells in zip(block.docids, block.cells, strict=True):
                queries = {code: cells[code].queries for code in manifest.languages if code in cells}
                file.write(json.dumps({"docid": docid, "generated_queries": queries}, ensure_ascii=False) + "\n")
    write_atomically(sidecar_path(request.queries_path), described.model_dump_json(indent=1))
    console.print(f"{request.queries_path}: {sum(described.queries.values()):,} queries")
    return described
