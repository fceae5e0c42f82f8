"""Embed passages and their generated queries, shard by shard; a killed run goes on where it was."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.bundle import Bundle, sha256_of
from app.cores import usable_cores
from app.engines import Device
from app.errors import ConfigurationError, InputError, RunConflict
from app.languages import CODES
from offline.engine import Engine
from offline.locks import setup_lock, worker_lock
from offline.progress import progress
from offline.run import Run, RunManifest, run_id_of
from offline.shard_embedder import ShardEmbedder, ShardEmbedderSpec
from offline.shards import VectorDtype
from offline.share import Share
from offline.staging import StagingReport, refuse_incomplete, stage


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """What to embed, and where the vectors go."""

    corpus: Path
    queries: Path | None
    bundle: Path
    output: Path
    max_batch_tokens: int = 512
    shard_size: int = 512
    """Passages per shard.  A killed run does again the one under way and the one being written."""
    allow_partial: bool = False
    ignore_unmatched: bool = False
    device: Device = "cpu"
    share: Share = field(default_factory=Share)
    """The part of the shards that this worker embeds; all workers have one output folder."""
    vector_dtype: VectorDtype = "float32"
    """Of the shard files: float16 takes half the disk."""
    threads: int = 0
    """Batches encoded at once, 0 for one a core of the CPU quota."""
    engine: Engine | None = None
    """Who embeds; None for this process."""


def embed(request: EmbedRequest, console: Console) -> RunManifest:
    """Write E(p), sums of E(q) per language and counts; alpha can be chosen later.

    Raises:
        InputError: a line of the corpus or the queries would corrupt the index.
        RunConflict: the output folder holds another run, or is being written.
        ConfigurationError: the bundle is damaged, or an option is out of range.
        VerificationError: the encoder yields values that the shard files cannot hold.
    """
    if request.max_batch_tokens < 1 or request.shard_size < 1 or request.threads < 0:
        raise ConfigurationError("batch tokens and shard size must be at least 1, threads at least 0")
    bundle = Bundle.open(request.bundle)
    run = Run(request.output)
    with worker_lock(request.output, request.share):
        manifest = prepare(request, bundle, run, console)
        share = request.share.units(manifest.shard_count)
        run.remove_partials(share)
        missing = run.missing_shards(manifest, share)
        if missing:
            _embed_shards(request, bundle, run, manifest, missing, console)
        elif request.share.is_whole:
            console.print(f"run {manifest.run_id}: all {manifest.report.passages:,} passages are embedded already")
        if not request.share.is_whole:
            _report_share(request.share, run, manifest, console)
    return manifest


def prepare(request: EmbedRequest, bundle: Bundle, run: Run, console: Console) -> RunManifest:
    """Check and join the input, or check that the run begun in the folder is this one.

    Of several workers one does the former, and the others wait for it.

    Raises: as ``embed`` does.
    """
    with setup_lock(request.output, console):
        begun = run.manifest()
        manifest = begun or _stage(request, bundle, run)
        if begun:
            _refuse_another(request, bundle, begun)
            if not run.staging_path.is_file():  # it was damaged, and is made of the same input again
                stage(run.staging_path, request.corpus, request.queries, request.ignore_unmatched)
    _report_input(manifest.report, console)
    _refuse_partial(request, manifest.report)  # a resume may lack the flag that the start had
    return manifest


def _embed_shards(
    request: EmbedRequest, bundle: Bundle, run: Run, manifest: RunManifest, missing: list[int], console: Console
) -> None:
    own = sum(len(manifest.rows(shard)) for shard in request.share.units(manifest.shard_count))
    done = own - sum(len(manifest.rows(shard)) for shard in missing)
    if done:
        console.print(f"run {manifest.run_id}: going on after {done:,} passages")
    threads = request.threads or usable_cores()
    spec = ShardEmbedderSpec(
        run.folder.resolve(), request.bundle.resolve(), request.max_batch_tokens, threads, request.device
    )
    title = "embedding" if request.share.is_whole else f"embedding part {request.share}"
    with progress(console, title, own, done) as advance:
        if request.engine is not None:
            for shard in request.engine.run(functools.partial(ShardEmbedder, spec), missing):
                advance(len(manifest.rows(shard)), 0)
            return
        embedder = ShardEmbedder(spec, bundle)
        try:
            for _ in embedder.embed(missing, advance):
                pass
        finally:
            embedder.close()


def _report_share(share: Share, run: Run, manifest: RunManifest, console: Console) -> None:
    """Say what this worker was to do, and what the whole still lacks."""
    own = sum(len(manifest.rows(shard)) for shard in share.units(manifest.shard_count))
    console.print(f"run {manifest.run_id}: part {share} is embedded, {own:,} passages")
    missing = run.missing_shards(manifest)
    if not missing:
        console.print(f"the run is whole: all {manifest.report.passages:,} passages are embedded")
        return
    passages = sum(len(manifest.rows(shard)) for shard in missing)
    shares = (Share(number, share.of) for number in range(1, share.of + 1))
    parts = [str(part) for part in shares if not set(missing).isdisjoint(part.units(manifest.shard_count))]
    listed = ", ".join(parts[:20]) + (", …" if len(parts) > 20 else "")
    console.print(
        f"{passages:,} of {manifest.report.passages:,} passages are still missing from the whole, of --shard {listed}"
    )


def _stage(request: EmbedRequest, bundle: Bundle, run: Run) -> RunManifest:
    report = stage(run.staging_path, request.corpus, request.queries, request.ignore_unmatched)
    _refuse_partial(request, report)
    manifest = RunManifest(
        run_id=run_id_of(bundle.encoder, report, request.vector_dtype),
        encoder=bundle.encoder,
        corpus_sha256=sha256_of(request.corpus),
        queries_sha256=sha256_of(request.queries) if request.queries else None,
        ignore_unmatched=request.ignore_unmatched,
        languages=[code for code in CODES if code in report.queries_per_language],
        shard_size=request.shard_size,
        vector_dtype=request.vector_dtype,
        report=report,
    )
    run.begin(manifest)
    return manifest


def _refuse_another(request: EmbedRequest, bundle: Bundle, manifest: RunManifest) -> None:
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
        ("another --vector-dtype", request.vector_dtype, manifest.vector_dtype),
    ):
        if asked != there:
            raise RunConflict(f"{request.output} holds a run with {what}; remove it or give another folder")


def _refuse_partial(request: EmbedRequest, report: StagingReport) -> None:
    if request.queries and not report.augmented_passages:
        raise InputError(f"{request.queries} holds no query for any passage; is it the right file?")
    refuse_incomplete(report, request.queries, request.allow_partial)


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
