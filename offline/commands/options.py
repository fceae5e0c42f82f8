"""Options that several commands share, spelled once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

import app.engines
from offline import engine as engines

Corpus = Annotated[Path, typer.Option(help="Passages: .jsonl[.gz], BEIR corpus.jsonl, .tsv[.gz] or .parquet.")]
Queries = Annotated[
    Path | None, typer.Option(help="Generated queries: .jsonl[.gz] or .parquet. Without, a plain index.")
]
Bundle = Annotated[Path, typer.Option(help="Folder of an exported encoder.")]
Vectors = Annotated[Path, typer.Option(help="Folder of an embed run.")]
BatchTokens = Annotated[int, typer.Option("--batch-tokens", min=1, help="Padded tokens per batch.")]
ShardSize = Annotated[int, typer.Option(min=1, help="Passages per shard: what a killed run does again at most.")]
AllowPartial = Annotated[bool, typer.Option(help="Accept passages without queries beside others that have them.")]
IgnoreUnmatched = Annotated[bool, typer.Option(help="Leave out queries for passages that are not in the corpus.")]
DeviceName = app.engines.Device
Device = Annotated[app.engines.Device, typer.Option(help="Where the encoder runs.")]
Index = Annotated[str, typer.Option(help="edge:<folder> or http://host:6333.")]
Collection = Annotated[str, typer.Option(help="Name of the index, which moves to each new build (an alias).")]
Alpha = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Weight a of the fusion (1-a)*E(p) + a*sum(E(q)). n queries per passage get the share an/(1-a+an): "
        "0.01 suits the paper's 35, 0.05 suits 14.",
    ),
]
KeepQueries = Annotated[bool, typer.Option(help="Store the queries too, for explain.")]
FilterFields = Annotated[
    list[str] | None, typer.Option("--filter-field", help="Metadata field that filters may name; repeat for more.")
]
Rebuild = Annotated[bool, typer.Option(help="Fill a fresh collection even if this content was loaded before.")]
ApiKey = Annotated[str | None, typer.Option(envvar="XQG_QDRANT_API_KEY", help="Key of the Qdrant server.")]
GrpcPort = Annotated[
    int, typer.Option(envvar="XQG_QDRANT_GRPC_PORT", min=0, help="gRPC port of the Qdrant server; 0 uses REST alone.")
]
TimeoutS = Annotated[float, typer.Option(min=1, help="Seconds for one call to a Qdrant server.")]
JobShard = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Do part I of N, as in a job array; I counts from 1.")
]
KeepShare = Annotated[
    float, typer.Option(min=0, max=1, help="Best share of each language's queries to keep; below 1 needs --bundle.")
]
MaxDrop = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="How much the mean of a language may differ from what it is held to: 0.01, a point."
    ),
]

Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(help="ray runs workers on a Ray cluster; the folders must be on storage that all nodes see."),
]
Workers = Annotated[int, typer.Option(min=1, help="With --engine ray: how many.")]
WorkerCpus = Annotated[float, typer.Option(min=0.01, help="With --engine ray: cores for each worker.")]
WorkerGpus = Annotated[float, typer.Option(min=0, help="With --engine ray: GPUs for each worker.")]
RayAddress = Annotated[
    str | None, typer.Option(envvar="RAY_ADDRESS", help="Of a running cluster; without, one is started here.")
]


def engine_of(engine: str, workers: int, cpus: float, gpus: float, address: str | None) -> engines.Engine | None:
    """The engine that the options name; None for this process."""
    if engine == "local":
        return None
    from offline.ray_engine import RayEngine

    return RayEngine(workers, cpus, gpus, address)
