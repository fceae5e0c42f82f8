"""``embed``: passages and queries to vectors."""

from pathlib import Path
from typing import Annotated

import typer

from offline.commands import options
from offline.commands.plainly import plainly
from offline.embed import EmbedRequest
from offline.embed import embed as run_embed
from offline.progress import console


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
) -> None:
    """Embed passages and queries; run it again to go on after an interruption."""
    request = EmbedRequest(
        corpus, queries, bundle, output, batch_tokens, shard_size, allow_partial, ignore_unmatched, device
    )
    run_embed(request, console)
