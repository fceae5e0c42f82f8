"""``export``: a Hugging Face encoder to a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from app.errors import ConfigurationError
from offline.commands.plainly import plainly
from offline.export.request import EmbeddingOptions, ExportRequest, Pooling, Precision, Similarity
from offline.progress import console


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
