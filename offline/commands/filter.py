"""``filter``: generated queries to those that are worth fusing."""

from pathlib import Path
from typing import Annotated

import typer

from offline.commands import options
from offline.commands.plainly import plainly
from offline.filter.job import FilterRequest, filter_queries
from offline.progress import console


@plainly
def filter_command(
    corpus: options.Corpus,
    queries: Annotated[Path, typer.Option(help="Generated queries: .jsonl[.gz] or .parquet.")],
    output: Annotated[Path, typer.Option(help="Folder of the queries that stay.")],
    bundle: Annotated[Path | None, typer.Option(help="Encoder that scores; without, the rules alone decide.")] = None,
    keep_share: options.KeepShare = 1.0,
    ignore_unmatched: options.IgnoreUnmatched = False,
    batch_tokens: options.BatchTokens = 512,
    device: options.Device = "cpu",
) -> None:
    """Drop queries that break a rule, and, by score, those least like their passage."""
    request = FilterRequest(
        corpus,
        queries,
        output,
        bundle,
        keep_share,
        max_batch_tokens=batch_tokens,
        device=device,
        ignore_unmatched=ignore_unmatched,
    )
    filter_queries(request, console)
