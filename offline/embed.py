"""Embed passages and their generated queries, shard by shard; a killed run goes on where it was."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from app.bundle import Bundle, Side, sha256_of
from app.cores import usable_cores
from app.encoder import Device, OnnxEncoder
from app.errors import ConfigurationError, InputError, RunConflict
from app.languages import CODES
from app.passages import Passage
from offline.batches import BatchEmbedder
from offline.locks import worker_lock
from offline.progress import Advance, progress
from offline.run import Run, RunManifest, run_id_of
from offline.shards import Shard, write_shard
from offline.staging import StagingReport, read_staged, stage


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """What to embed, and where the vectors go."""

    corpus: Path
    queries: Path | None
    bundle: Path
    output: Path
    max_batch_tokens: int = 512
    shard_size: int = 512
    """Passages per shard: what a killed run does again at most."""
    allow_partial: bool = False
    ignore_unmatched: bool = False
    device: Device = "cpu"


def embed(request: EmbedRequest, console: Console) -> RunManifest:
    """Write E(p), sums of E(q) per language and counts; alpha can be chosen later.

    Raises:
        InputError: a line of the corpus or the queries would corrupt the index.
        RunConflict: the output folder holds another run, or is being written.
        ConfigurationError: the bundle is damaged, or an option is out of range.
        VerificationError: the encoder yields infinite values.
    """
    if request.max_batch_tokens < 1 or request.shard_size < 1:
        raise ConfigurationError("batch tokens and shard size must be at least 1")
    bundle = Bundle.open(request.bundle)
    run = Run(request.output)
    with worker_lock(request.output):
        manifest = run.manifest()
        manifest = _stage(request, bundle, run) if manifest is None else _resume(request, bundle, manifest)
        _report_input(manifest.report, console)
        _refuse_partial(request, manifest.report)  # a resume may lack the flag that the start had
        missing = run.missing_shards(manifest)
        if not missing:
            console.print(f"run {manifest.run_id}: all {manifest.report.passages:,} passages are embedded already")
            return manifest
        encoder = OnnxEncoder(bundle, sides=tuple(Side), device=request.device)
        embedder = BatchEmbedder(encoder, usable_cores(), request.max_batch_tokens)
        done = manifest.report.passages - sum(len(manifest.rows(shard)) for shard in missing)
        if done:
            console.print(f"run {manifest.run_id}: going on after {done:,} passages")
        try:
            with progress(console, "embedding", manifest.report.passages, done) as advance, run.staging() as staging:
                for number in missing:
                    rows = manifest.rows(number)
                    passages = list(read_staged(staging, rows.start, rows.stop))
                    shard = embed_shard(passages, manifest.languages, embedder, advance)
                    write_shard(run.shard_path(number), shard, manifest.run_id, rows)
        finally:
            embedder.close()
    return manifest


def embed_shard(passages: list[Passage], languages: list[str], embedder: BatchEmbedder, advance: Advance) -> Shard:
    """Embed a few hundred passages: one running sum of query vectors per passage and language."""
    owners, texts = [], []
    for row, passage in enumerate(passages):
        for column, code in enumerate(languages):
            for text in passage.generated_queries.get(code, []):
                owners.append((row, column))
                texts.append(text)
    # one unit of progress is a passage, so queries move the bar by their share of the shard
    share = len(passages) / (len(passages) + len(texts))
    moved = 0.0

    def told(count: int) -> None:
        nonlocal moved
        before, moved = int(moved + 1e-6), moved + count * share
        advance(int(moved + 1e-6) - before, count)

    vectors = embedder.embed([passage.embedded_text for passage in passages], Side.PASSAGE, told)
    query_vectors = embedder.embed(texts, Side.QUERY, told)
    sums = np.zeros((len(passages), len(languages), vectors.shape[1]), np.float32)
    counts = np.zeros((len(passages), len(languages)), np.int32)
    for (row, column), vector in zip(owners, query_vectors, strict=True):
        sums[row, column] += vector
        counts[row, column] += 1
    return Shard(vectors, sums, counts)


def _stage(request: EmbedRequest, bundle: Bundle, run: Run) -> RunManifest:
    report = stage(run.staging_path, request.corpus, request.queries, request.ignore_unmatched)
    _refuse_partial(request, report)
    manifest = RunManifest(
        run_id=run_id_of(bundle.encoder, report),
        encoder=bundle.encoder,
        corpus_sha256=sha256_of(request.corpus),
        queries_sha256=sha256_of(request.queries) if request.queries else None,
        ignore_unmatched=request.ignore_unmatched,
        languages=[code for code in CODES if code in report.queries_per_language],
        shard_size=request.shard_size,
        report=report,
    )
    run.begin(manifest)
    return manifest


def _resume(request: EmbedRequest, bundle: Bundle, manifest: RunManifest) -> RunManifest:
    for path in filter(None, (request.corpus, request.queries)):
        if not path.is_file():
            raise ConfigurationError(f"there is no file {path}")
    queries_sha256 = sha256_of(request.queries) if request.queries else None
    for what, asked, there in (
        ("another encoder", bundle.fingerprint, manifest.encoder.fingerprint),
        ("another corpus", sha256_of(request.corpus), manifest.corpus_sha256),
        ("other queries", queries_sha256, manifest.queries_sha256),
        ("another --ignore-unmatched", request.ignore_unmatched, manifest.ignore_unmatched),
        ("another --shard-size", request.shard_size, manifest.shard_size),
    ):
        if asked != there:
            raise RunConflict(f"{request.output} holds a run with {what}; remove it or give another folder")
    return manifest


def _refuse_partial(request: EmbedRequest, report: StagingReport) -> None:
    if request.queries and not report.augmented_passages:
        raise InputError(f"{request.queries} holds no query for any passage; is it the right file?")
    lacking = report.passages - report.augmented_passages
    if lacking and report.augmented_passages and not request.allow_partial:
        some = ", ".join(map(repr, report.without_queries))
        raise InputError(
            f"{request.queries}: {lacking:,} of {report.passages:,} passages have no generated queries "
            f"(such as {some}) and would lose to those that have; generate the rest, or pass --allow-partial"
        )


def _report_input(report: StagingReport, console: Console) -> None:
    """Say what was read, and warn where languages have unequal numbers of queries."""
    console.print(f"{report.passages:,} passages, {report.augmented_passages:,} with generated queries")
    for what, count in report.mended.items():
        console.print(f"  {count:,} {what}")
    if not report.queries_per_language:
        return
    table = Table("language", "queries", "per passage")
    for code, count in report.queries_per_language.items():
        fewest, most = report.fewest_and_most[code]
        table.add_row(code, f"{count:,}", str(most) if fewest == most else f"{fewest} to {most}")
    console.print(table)
    if len(set(report.fewest_and_most.values())) > 1 or len(report.queries_per_language) < len(CODES):
        console.print("the languages have unequal numbers of queries, so they gain unequally")
