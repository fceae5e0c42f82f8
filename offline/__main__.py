"""``python -m offline``: export, embed, load, build, demo."""

import asyncio
import errno
import functools
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec

import typer
from rich.console import Console

from app.encoder import Device
from app.errors import ConfigurationError, OutOfSpace, XqgError
from app.index import ServerAccess
from offline.embed import EmbedRequest
from offline.embed import embed as run_embed
from offline.export.request import EmbeddingOptions, ExportRequest, Pooling, Precision, Similarity
from offline.load import LoadRequest
from offline.load import load as run_load

P = ParamSpec("P")

_NO_SPACE = "no space left to write{where}; free some and run the same command again"


def plainly(command: Callable[P, None]) -> Callable[P, None]:
    """What goes wrong on purpose is one line on stderr and a non-zero exit, with no traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            return
        except XqgError as error:
            message, code = error.message, error.exit_code
        except KeyboardInterrupt:
            message, code = "interrupted; run the same command again to go on", 130
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                message, code = _NO_SPACE.format(where=""), OutOfSpace.exit_code
            else:
                message, code = f"the run's staging file is damaged ({error}); remove the folder and embed again", 1
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                message, code = _NO_SPACE.format(where=where), OutOfSpace.exit_code
            elif where:
                message, code = f"cannot use{where}: {error.strerror}; give another path", 2
            else:
                raise
        # plain print: a terminal folds the line where it must, and a log keeps it whole
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
        raise SystemExit(code)

    return run


cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Export encoders, embed and fuse passages with their generated queries, load them into Qdrant.",
)
console = Console()

CorpusOption = Annotated[Path, typer.Option(help="Passages: .jsonl[.gz], BEIR corpus.jsonl, .tsv[.gz] or .parquet.")]
QueriesOption = Annotated[
    Path | None, typer.Option(help="Generated queries: .jsonl[.gz] or .parquet. Without, a plain index.")
]
BundleOption = Annotated[Path, typer.Option(help="Folder of an exported encoder.")]
VectorsOption = Annotated[Path, typer.Option(help="Folder of an embed run.")]
TokensOption = Annotated[int, typer.Option("--batch-tokens", min=1, help="Padded tokens per batch.")]
ShardOption = Annotated[int, typer.Option(min=1, help="Passages per shard: what a killed run does again at most.")]
PartialOption = Annotated[bool, typer.Option(help="Accept passages without queries beside others that have them.")]
UnmatchedOption = Annotated[bool, typer.Option(help="Leave out queries for passages that are not in the corpus.")]
DeviceOption = Annotated[Device, typer.Option(help="Where the encoder runs.")]
IndexOption = Annotated[str, typer.Option(help="edge:<folder> or http://host:6333.")]
CollectionOption = Annotated[str, typer.Option(help="Name of the index, which moves to each new build (an alias).")]
AlphaOption = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Weight a of the fusion (1-a)*E(p) + a*sum(E(q)). n queries per passage get the share an/(1-a+an): "
        "0.01 suits the paper's 35, 0.05 suits 14.",
    ),
]
KeepOption = Annotated[bool, typer.Option(help="Store the queries too, for explain.")]
FieldsOption = Annotated[
    list[str] | None, typer.Option("--filter-field", help="Metadata field that filters may name; repeat for more.")
]
RebuildOption = Annotated[bool, typer.Option(help="Fill a fresh collection even if this content was loaded before.")]
KeyOption = Annotated[str | None, typer.Option(envvar="XQG_QDRANT_API_KEY", help="Key of the Qdrant server.")]
PortOption = Annotated[
    int, typer.Option(envvar="XQG_QDRANT_GRPC_PORT", min=0, help="gRPC port of the Qdrant server; 0 uses REST alone.")
]
TimeoutOption = Annotated[float, typer.Option(min=1, help="Seconds for one call to a Qdrant server.")]


@cli.command()
@plainly
def export(
    output: Annotated[Path, typer.Option(help="Folder of the new bundle.")],
    model: Annotated[str | None, typer.Option(help="Hub id or folder of an encoder for both sides.")] = None,
    query_model: Annotated[str | None, typer.Option(help="Query tower of an untied pair.")] = None,
    passage_model: Annotated[str | None, typer.Option(help="Passage tower of an untied pair.")] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit on the hub.")] = "main",
    pooling: Annotated[
        Pooling | None, typer.Option(help="First token or mean; needed where the model's files do not say.")
    ] = None,
    normalize: Annotated[bool | None, typer.Option("--normalize/--no-normalize", help="Unit vectors or not.")] = None,
    similarity: Annotated[Similarity | None, typer.Option(help="How vectors are compared.")] = None,
    query_prefix: Annotated[str | None, typer.Option(help="Put before every query.")] = None,
    passage_prefix: Annotated[str | None, typer.Option(help="Put before every passage.")] = None,
    query_max_tokens: Annotated[int, typer.Option(min=4, help="Longer queries are cut.")] = 128,
    passage_max_tokens: Annotated[int, typer.Option(min=4, help="Longer passages are cut.")] = 256,
    precision: Annotated[
        Precision, typer.Option(help="int8 and int4 quantise weights alone; fp16 is for GPUs.")
    ] = "fp32",
) -> None:
    """Turn a Hugging Face encoder into an ONNX bundle, checked against torch."""
    from offline.export.exporter import export as run_export  # torch takes seconds to import

    query_model, passage_model = query_model or model, passage_model or model
    if query_model is None or passage_model is None:
        raise ConfigurationError("give --model, or --query-model and --passage-model")
    options = EmbeddingOptions(
        pooling, normalize, similarity, query_prefix, passage_prefix, query_max_tokens, passage_max_tokens
    )
    bundle = run_export(ExportRequest(query_model, passage_model, output, revision, precision, options), console)
    console.print(f"{bundle.folder}: {bundle.encoder.dimension} dimensions, fingerprint {bundle.fingerprint[:12]}")


@cli.command()
@plainly
def embed(
    corpus: CorpusOption,
    bundle: BundleOption,
    output: Annotated[Path, typer.Option(help="Folder of the vectors.")],
    queries: QueriesOption = None,
    batch_tokens: TokensOption = 512,
    shard_size: ShardOption = 512,
    allow_partial: PartialOption = False,
    ignore_unmatched: UnmatchedOption = False,
    device: DeviceOption = "cpu",
) -> None:
    """Embed passages and queries; run it again to go on after an interruption."""
    request = EmbedRequest(
        corpus, queries, bundle, output, batch_tokens, shard_size, allow_partial, ignore_unmatched, device
    )
    run_embed(request, console)


@cli.command()
@plainly
def load(
    vectors: VectorsOption,
    index: IndexOption,
    collection: CollectionOption = "passages",
    alpha: AlphaOption = 0.01,
    keep_queries: KeepOption = True,
    filter_field: FieldsOption = None,
    rebuild: RebuildOption = False,
    api_key: KeyOption = None,
    grpc_port: PortOption = 6334,
    timeout_s: TimeoutOption = 60,
) -> None:
    """Fuse, fill a fresh collection, verify it, and make it live."""
    access = ServerAccess(api_key, grpc_port, timeout_s)
    request = LoadRequest(vectors, index, collection, alpha, keep_queries, filter_field or (), rebuild, access)
    asyncio.run(run_load(request, console))


@cli.command()
@plainly
def build(
    corpus: CorpusOption,
    bundle: BundleOption,
    vectors: VectorsOption,
    index: IndexOption,
    queries: QueriesOption = None,
    collection: CollectionOption = "passages",
    alpha: AlphaOption = 0.01,
    batch_tokens: TokensOption = 512,
    shard_size: ShardOption = 512,
    allow_partial: PartialOption = False,
    ignore_unmatched: UnmatchedOption = False,
    device: DeviceOption = "cpu",
    keep_queries: KeepOption = True,
    filter_field: FieldsOption = None,
    rebuild: RebuildOption = False,
    api_key: KeyOption = None,
    grpc_port: PortOption = 6334,
    timeout_s: TimeoutOption = 60,
) -> None:
    """embed, then load."""
    embed(
        corpus=corpus,
        bundle=bundle,
        output=vectors,
        queries=queries,
        batch_tokens=batch_tokens,
        shard_size=shard_size,
        allow_partial=allow_partial,
        ignore_unmatched=ignore_unmatched,
        device=device,
    )
    load(
        vectors=vectors,
        index=index,
        collection=collection,
        alpha=alpha,
        keep_queries=keep_queries,
        filter_field=filter_field,
        rebuild=rebuild,
        api_key=api_key,
        grpc_port=grpc_port,
        timeout_s=timeout_s,
    )


@cli.command()
@plainly
def demo(
    folder: Annotated[Path, typer.Option(help="Where everything that the tour makes is kept.")] = Path("var/demo"),
    prepare_only: Annotated[bool, typer.Option(help="Build the demo index, ask nothing.")] = False,
) -> None:
    """The tour: a real encoder, 1,440 passages, one question in each of seven languages."""
    from offline.demo.tour import prepare, tour

    demo_files = prepare(folder, console)
    if not prepare_only:
        tour(demo_files, console)


if __name__ == "__main__":
    cli()
