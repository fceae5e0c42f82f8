"""Options of the commands that write an index."""

from typing import Annotated

import typer

from offline import writers

LoadPartial = Annotated[bool, typer.Option("--allow-partial", help="Load a run in which some passages lack queries.")]
Share = Annotated[
    str,
    typer.Option("--shard", metavar="I/N", help="Load part I of N into a server; whoever ends last makes it live."),
]
BatchPoints = Annotated[int, typer.Option(min=1, max=1024, help="Passages per upsert.")]
ParallelUploads = Annotated[int | None, typer.Option(min=1, max=64, help="Uploads to a server at once; 4 if not said.")]
RetryS = Annotated[float, typer.Option(min=0, help="Seconds for which a call that a server fails is made again.")]
Quantization = Annotated[
    writers.Quantization, typer.Option(help="int8 searches by a byte a dimension, and rescores with the vectors.")
]
OnDisk = Annotated[bool, typer.Option(help="Leave the vectors on disk; with int8, what is searched by is in memory.")]
HnswM = Annotated[int, typer.Option(min=0, max=512, help="Edges per passage in the graph; 0 builds none.")]
HnswEfConstruct = Annotated[int, typer.Option(min=4, help="Candidates looked at for each edge.")]
CollectionShards = Annotated[int | None, typer.Option(min=1, help="Shards of a server's collection.")]
ReplicationFactor = Annotated[int | None, typer.Option(min=1, help="Copies of each shard of a server's collection.")]
WriteConsistency = Annotated[int | None, typer.Option(min=1, help="Copies that must have a write before it counts.")]
