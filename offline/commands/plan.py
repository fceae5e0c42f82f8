"""``plan``: time, memory, disk and cost of a corpus."""

from typing import Annotated

import typer

from offline.commands.plainly import plainly
from offline.plan.report import lines
from offline.plan.stages import stages
from offline.plan.workload import Hardware, Workload, rates_of
from offline.progress import console

_DEFAULT = Workload()


def _rate(help_: str) -> object:
    return typer.Option(help=f"{help_}; replaces the preset's.")


@plainly
def plan(
    passages: Annotated[float, typer.Option(help="Passages; 18e6 is a number too.")] = _DEFAULT.passages,
    languages: Annotated[int, typer.Option(help="Languages of the generated queries.")] = _DEFAULT.languages,
    queries_per_language: Annotated[
        int, typer.Option(help="Generated queries per passage and language.")
    ] = _DEFAULT.queries_per_language,
    dimension: Annotated[int, typer.Option(help="Of the vectors.")] = _DEFAULT.dimension,
    passage_tokens: Annotated[float, typer.Option(help="Of a passage on average.")] = _DEFAULT.passage_tokens,
    query_tokens: Annotated[float, typer.Option(help="Of a query on average.")] = _DEFAULT.query_tokens,
    passage_bytes: Annotated[
        float, typer.Option(help="Of a line of the corpus file on average.")
    ] = _DEFAULT.passage_bytes,
    query_bytes: Annotated[
        float, typer.Option(help="Of a query in the queries file on average.")
    ] = _DEFAULT.query_bytes,
    shard_size: Annotated[int, typer.Option(help="Passages per shard of embed.")] = _DEFAULT.shard_size,
    links: Annotated[int, typer.Option(help="HNSW's m.")] = _DEFAULT.links,
    hardware: Annotated[Hardware, typer.Option(help="A worker: two CPU cores, or one GPU.")] = "cpu",
    workers: Annotated[int, typer.Option(min=1, help="Workers of generate and embed at once.")] = 1,
    generate_queries_per_s: Annotated[float | None, _rate("Queries a second that a worker generates")] = None,
    embed_tokens_per_s: Annotated[float | None, _rate("Tokens a second that a worker embeds")] = None,
    load_passages_per_s: Annotated[float | None, _rate("Passages a second that an index takes")] = None,
    link_passages_per_s: Annotated[float | None, _rate("Passages a second that HNSW links")] = None,
    price_per_hour: Annotated[float | None, _rate("Dollars an hour for a worker")] = None,
    memory_price: Annotated[float | None, _rate("Dollars an hour for a gigabyte of memory")] = None,
    disk_price: Annotated[float | None, _rate("Dollars a month for a gigabyte of disk")] = None,
) -> None:
    """Time, memory, disk and cost of building and serving an index, with the arithmetic."""
    work = Workload(
        passages=passages,
        languages=languages,
        queries_per_language=queries_per_language,
        dimension=dimension,
        passage_tokens=passage_tokens,
        query_tokens=query_tokens,
        passage_bytes=passage_bytes,
        query_bytes=query_bytes,
        shard_size=shard_size,
        links=links,
    )
    given = {
        "generate": generate_queries_per_s,
        "embed": embed_tokens_per_s,
        "load": load_passages_per_s,
        "link": link_passages_per_s,
        "worker_price": price_per_hour,
        "memory_price": memory_price,
        "disk_price": disk_price,
    }
    rates = rates_of(hardware, work, given)
    for line in lines(stages(work, rates, workers), rates):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
