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
        threads=threads,
    )
    run_embed(request, console)
