"""``generate``: passages to queries."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.errors import ConfigurationError
from app.languages import CODES
from offline.commands import options
from offline.commands.plainly import plainly
from offline.filter.job import FilterRequest
from offline.filter.job import filter_queries as run_filter
from offline.generate.job import GenerateRequest
from offline.generate.job import generate as run_generate
from offline.generate.sources import DEFAULT_MODEL, ChatSource, PublishedSource, Seq2SeqSource, Source
from offline.progress import console
from offline.share import Share

_SEQ2SEQ = "seq2seq: a docTquery model"
_CHAT = "chat: a server that speaks OpenAI's API"


@plainly
def generate(
    corpus: options.Corpus,
    output: Annotated[Path, typer.Option(help="Folder of the queries and of the ledger of what is done.")],
    source: Annotated[
        Literal["seq2seq", "chat", "published"], typer.Option(help="What the queries come from.")
    ] = "seq2seq",
    languages: Annotated[str, typer.Option(help="Codes, parted by commas.")] = ",".join(CODES),
    queries_per_language: Annotated[int, typer.Option(min=1, help="Queries for each passage and language.")] = 5,
    block_size: Annotated[int, typer.Option(min=1, help="Passages per block: what a killed run does again.")] = 16,
    shard: options.JobShard = "1/1",
    allow_partial: Annotated[bool, typer.Option(help="Write the queries though some passages lack theirs.")] = False,
    engine: options.Engine = "local",
    workers: options.Workers = 2,
    worker_cpus: options.WorkerCpus = 1,
    worker_gpus: options.WorkerGpus = 0,
    ray_address: options.RayAddress = None,
    filter_queries: Annotated[
        bool,
        typer.Option("--filter", help="Then drop empty, repeated, copied and wrong-language queries, into filtered/."),
    ] = False,
    bundle: Annotated[
        Path | None, typer.Option(help="With --filter: the encoder that scores queries against their passages.")
    ] = None,
    keep_share: options.KeepShare = 1.0,
    seed: Annotated[
        int, typer.Option(help="The same seed draws the same queries (chat servers may not keep to it).")
    ] = 0,
    model: Annotated[
        str | None,
        typer.Option(
            help=f"seq2seq: hub id, folder or exported folder, {DEFAULT_MODEL} where not said; chat: the server's name."
        ),
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit on the hub.", rich_help_panel=_SEQ2SEQ)] = "main",
    top_k: Annotated[int, typer.Option(min=1, help="How many tokens may be drawn.", rich_help_panel=_SEQ2SEQ)] = 10,
    max_input_tokens: Annotated[
        int, typer.Option(min=8, help="Longer passages are cut.", rich_help_panel=_SEQ2SEQ)
    ] = 512,
    batch_sequences: Annotated[
        int, typer.Option(min=1, help="Queries drawn at once; decides speed and memory.", rich_help_panel=_SEQ2SEQ)
    ] = 32,
    device: Annotated[options.DeviceName, typer.Option(help="Where the model runs.", rich_help_panel=_SEQ2SEQ)] = "cpu",
    temperature: Annotated[
        float | None, typer.Option(help="Above 1 is more varied; 1 for seq2seq and 0.8 for chat where not said.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Of one query (seq2seq: 64) or of one answer (chat: 2048).")
    ] = None,
    base_url: Annotated[
        str, typer.Option(envvar="XQG_CHAT_URL", help="Such as http://localhost:11434/v1.", rich_help_panel=_CHAT)
    ] = "",
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", envvar="XQG_CHAT_API_KEY", help="Better in the environment.", rich_help_panel=_CHAT),
    ] = None,
    structured: Annotated[
        Literal["json_schema", "json_object", "none"],
        typer.Option(help="What the server knows of structured output.", rich_help_panel=_CHAT),
    ] = "json_schema",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.", rich_help_panel=_CHAT)] = 8,
    timeout_s: Annotated[float, typer.Option(min=1, help="For one request.", rich_help_panel=_CHAT)] = 120,
    retry_s: Annotated[
        float, typer.Option(min=0, help="How long a busy or broken server is asked again.", rich_help_panel=_CHAT)
    ] = 300,
    prices: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Of a million prompt and completion tokens; tells the cost.", rich_help_panel=_CHAT),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(help="Ready-made queries, .jsonl[.gz] or .parquet; repeat.", rich_help_panel="published: files"),
    ] = None,
) -> None:
    """Generate queries for every passage; run it again to go on after an interruption."""
    chosen: Source
    if source == "seq2seq":
        chosen = Seq2SeqSource(
            model=str(Path(model).resolve()) if model and Path(model).exists() else model or DEFAULT_MODEL,
            revision=revision,
            seed=seed,
            top_k=top_k,
            temperature=1.0 if temperature is None else temperature,
            max_new_tokens=max_new_tokens or 64,
            max_input_tokens=max_input_tokens,
            batch_sequences=batch_sequences,
            device=device,
            threads=0 if engine == "local" else max(1, round(worker_cpus)),
        )
    elif source == "chat":
        chosen = ChatSource(
            base_url=base_url,
            model=model or "",
            api_key=(api_key or "").strip() or None,  # a secret's file often ends in a line break
            seed=seed,
            temperature=0.8 if temperature is None else temperature,
            max_new_tokens=max_new_tokens or 2048,
            structured=structured,
            concurrency=concurrency,
            timeout_s=timeout_s,
            retry_s=retry_s,
        )
    else:
        if not file:
            raise ConfigurationError("--source published: give the files with --file")
        chosen = PublishedSource(tuple(file))
    request = GenerateRequest(
        corpus=corpus,
        output=output,
        source=chosen,
        languages=[code.strip() for code in languages.split(",") if code.strip()],
        queries_per_language=queries_per_language,
        block_size=block_size,
        share=Share.parse(shard),
        allow_partial=allow_partial,
        prices=prices,
        engine=options.engine_of(engine, workers, worker_cpus, worker_gpus, ray_address),
    )
    judge = None
    if filter_queries:
        judge = FilterRequest(
            corpus, request.queries_path, output / "filtered", bundle, keep_share, device=device, anew=True
        )
    elif bundle is not None or keep_share < 1:
        raise ConfigurationError("--bundle and --keep-share are for --filter")
    whole = run_generate(request, console)
    if judge is not None and whole is not None:
        run_filter(judge, console)
