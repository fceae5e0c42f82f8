"""``embed``: passages and queries to vectors."""

from pathlib import Path
from typing import Annotated

import typer

from offline.commands import options
from offline.commands.plainly import plainly
from offline.embed import EmbedRequest
from offline.embed import embed as run_embed
from offline.progress import console
from offline.shards import VectorDtype
from offline.share import Share


@plainly
def embed(
    corpus: options.Corpus,
    bundle: options.Bundle,
    output: Annotated[Path, typer.Option(help="Folder of the vectors.")],
    queries: options.Queries = None,
    batch_tokens: options.BatchTokens = 512,
    shard_size: options.ShardSize = 512,
    allow_partial: options.AllowPartial = False,
    ignore_unmatched: options.IgnoreUnmatched = False,
    device: options.Device = "cpu",
    shard: options.JobShard = "1/1",
    vector_dtype: Annotated[VectorDtype, typer.Option(help="Of the shard files; float16 takes half the disk.")] = (
        "float32"
    ),
    threads: Annotated[int, typer.Option(min=0, help="Batches encoded at once; 0: one a core of the quota.")] = 0,
    engine: options.Engine = "local",
    workers: options.Workers = 2,
    worker_cpus: options.WorkerCpus = 1,
    worker_gpus: options.WorkerGpus = 0,
    ray_address: options.RayAddress = None,
) -> None:
    """Embed passages and queries; run it again to go on after an interruption."""
    request = EmbedRequest(
        corpus=corpus,
        queries=queries,
        bundle=bundle,
        output=output,
        max_batch_tokens=batch_tokens,
        shard_size=shard_size,
        allow_partial=allow_partial,
        ignore_unmatched=ignore_unmatched,
        device=device,
        share=Share.parse(shard),
        vector_dtype=vector_dtype,
        threads=threads or (0 if engine == "local" else max(1, round(worker_cpus))),
        engine=options.engine_of(engine, workers, worker_cpus, worker_gpus, ray_address),
    )
    run_embed(request, console)
