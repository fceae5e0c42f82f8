"""``evaluate``: what xQG does to recall, measured and tested."""

from pathlib import Path
from typing import Annotated

import typer

from app.engines import EngineName
from offline.commands import options
from offline.commands.plainly import plainly
from offline.evaluate import needing_extra
from offline.evaluate.datasets import DatasetKind, DatasetRequest
from offline.evaluate.leaks import LeakPolicy
from offline.evaluate.studies import STUDIES, studies_named
from offline.progress import console


@plainly
def evaluate(
    dataset: Annotated[DatasetKind, typer.Option(help="What the questions are.")],
    data: Annotated[Path, typer.Option(help="Its file or folder, with the official file names.")],
    bundle: Annotated[list[Path], typer.Option(help="Folder of an exported encoder; repeat to compare encoders.")],
    output: Annotated[Path, typer.Option(help="Folder of the report.")],
    corpus: Annotated[
        Path | None, typer.Option(help="Passages, where the dataset brings none: .jsonl[.gz], .tsv[.gz], .parquet.")
    ] = None,
    queries: options.Queries = None,
    study: Annotated[
        list[str] | None, typer.Option(help=f"Repeat for several: {', '.join(STUDIES)}. compare is always made.")
    ] = None,
    alpha: options.Alpha = 0.01,
    queries_per_language: Annotated[
        int, typer.Option(min=0, help="Texts fused per passage and language, drawn at random; 0: all there are.")
    ] = 0,
    metric: Annotated[
        list[str] | None, typer.Option(help="To compare and test, the most telling first; repeat for more.")
    ] = None,
    language: Annotated[list[str] | None, typer.Option(help="Of the questions; repeat for more. Without, all.")] = None,
    leaks: Annotated[
        LeakPolicy,
        typer.Option(help="leave-out fuses no text that is the question while it is asked; refuse stops."),
    ] = "refuse",
    allow_partial: options.AllowPartial = False,
    ignore_unmatched: options.IgnoreUnmatched = False,
    seed: Annotated[int, typer.Option(min=0, help="Of resampling and of random draws.")] = 0,
    depth: Annotated[int, typer.Option(min=1, help="Hits per question.")] = 100,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of embedded texts, for several evaluations; without, in the output.")
    ] = None,
    batch_tokens: options.BatchTokens = 512,
    device: options.Device = "cpu",
    question_engine: Annotated[EngineName, typer.Option(help="What embeds the questions, as XQG_ENGINE does.")] = (
        "onnxruntime"
    ),
    baseline: Annotated[
        Path | None,
        typer.Option(help="report.json of an earlier evaluation: exit 8 where a language is significantly worse."),
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="http://host:8000 of a running service: exit 8 where it measures otherwise.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(envvar="XQG_CLIENT_KEY", help="Key of the service.")] = None,
    max_drop: options.MaxDrop = 0.01,
) -> None:
    """Measure retrieval without and with xQG, per language, and test whether the difference is real."""
    with needing_extra():  # which also takes a second to import
        from offline.evaluate.checks import CheckRequest
        from offline.evaluate.job import EvaluateRequest
        from offline.evaluate.job import evaluate as run_evaluate
        from offline.evaluate.service_client import ServiceAddress
    run_evaluate(
        EvaluateRequest(
            DatasetRequest(dataset, data, corpus, queries, tuple(language or ()), ignore_unmatched),
            bundle,
            output,
            studies_named(study or ()),
            alpha,
            metric or (),
            queries_per_language or None,
            leaks,
            allow_partial,
            seed,
            depth,
            device,
            question_engine,
            batch_tokens,
            cache,
            CheckRequest(baseline, ServiceAddress(service, api_key) if service else None, max_drop),
        ),
        console,
    )
