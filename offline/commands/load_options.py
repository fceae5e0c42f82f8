"""Options of the commands that write an index."""

from pathlib import Path
from typing import Annotated

import typer

import app.engines
from app.errors import ConfigurationError
from offline import writers
from offline.load_request import GateRequest

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
Gate = Annotated[
    Path | None,
    typer.Option(
        help="report.json of an evaluation: load nothing that answers its questions significantly worse. Judges the "
        "vectors; the graph and --quantization are judged by evaluate --service."
    ),
]
GateBundle = Annotated[Path | None, typer.Option(help="With --gate: folder of the encoder that embedded the vectors.")]


def gate_of(
    report: Path | None, bundle: Path | None, max_drop: float, device: app.engines.Device = "cpu"
) -> GateRequest | None:
    """What the options ask to be held to.

    Raises:
        ConfigurationError: one of the two is missing.
    """
    if report is None:
        if bundle is not None:
            raise ConfigurationError("--gate-bundle is for --gate; give the report to hold to, or leave it out")
        return None
    if bundle is None:
        raise ConfigurationError("--gate asks the questions of its report; give the encoder as --gate-bundle")
    return GateRequest(report, bundle, max_drop, device)
