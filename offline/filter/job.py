"""filter_queries(): from a set of queries to the part of it that is worth fusing."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from app.bundle import Bundle, Side, sha256_of
from app.cores import usable_cores
from app.encoder import OnnxEncoder
from app.engines import Device
from app.errors import ConfigurationError, InputError
from app.languages import CODES, LANGUAGES
from app.passages import Passage
from offline.batches import BatchEmbedder
from offline.files import atomic_writer, write_atomically
from offline.filter.rules import Fault, fault_of, key_of
from offline.filter.scores import QueryScorer
from offline.filter.verdicts import Verdict, Verdicts
from offline.generate.generator import GeneratorIdentity
from offline.locks import refuse_strangers, worker_lock
from offline.progress import Advance, progress
from offline.query_set import FilterSettings, QuerySet, read_sidecar, sidecar_path
from offline.staging import StagingReport, open_staging, read_staged, stage

_SCRIPTS = {language.code: language.script for language in LANGUAGES}
_PASSAGES_AT_ONCE = 64
_LOW = "unlike the passage"
_OURS = ("verdicts.sqlite", "verdicts.sqlite-wal", "verdicts.sqlite-shm", "queries.jsonl", "queries.meta.json")


@dataclass(frozen=True, slots=True)
class FilterRequest:
    """Which queries to judge, and how many to keep."""

    corpus: Path
    queries: Path
    output: Path
    """A folder."""
    bundle: Path | None = None
    """The encoder that scores; without, the rules alone decide."""
    keep_share: float = 1.0
    """Of each language's queries that keep the rules, the best scored."""
    sample_passages: int = 512
    max_batch_tokens: int = 512
    device: Device = "cpu"
    ignore_unmatched: bool = False
    anew: bool = False
    """Begin again where the folder holds a filter of other queries."""

    def __post_init__(self) -> None:
        if not 0 < self.keep_share <= 1:
            raise ConfigurationError("--keep-share is a share above 0, up to 1")
        if self.keep_share < 1 and self.bundle is None:
            raise ConfigurationError("--keep-share below 1 needs --bundle, the encoder that scores the queries")

        if self.queries.resolve() == self.queries_path.resolve():
            raise ConfigurationError(f"{self.queries} would be overwritten; give another --output")

    @property
    def queries_path(self) -> Path:
        return self.output / "queries.jsonl"


def filter_queries(request: FilterRequest, console: Console) -> None:
    """Judge every query, and write those that stay with a sidecar that counts the others.

    A passage keeps its best query of each language, whatever the share: one without any would
    lose to those that have some.

    Raises:
        InputError: corpus or queries cannot be used.
        RunConflict: the folder holds another filter, or is being written.
    """
    given = read_sidecar(request.queries)
    if given is not None and given.filter is not None:
        raise InputError(f"{request.queries} is filtered already; filter the set that it came from")
    bundle = Bundle.open(request.bundle) if request.bundle else None
    with worker_lock(request.output):
        refuse_strangers(request.output, {"staging.sqlite", *_OURS})
        report = stage(request.output / "staging.sqlite", request.corpus, request.queries, request.ignore_unmatched)
        for what, count in report.mended.items():
            console.print(f"  {count:,} {what}")
        content = [report.corpus_digest, report.queries_digest, bundle and bundle.fingerprint, request.sample_passages]
        with (
            open_staging(request.output / "staging.sqlite") as staging,
            Verdicts.open(request.output / "verdicts.sqlite", json.dumps(content), request.anew) as verdicts,
        ):
            with progress(console, "judging", report.passages, verdicts.rows_done) as advance:
                _judge(request, bundle, staging, report.passages, verdicts, advance)
            kept, dropped = _write(request, staging, verdicts)
        for code, count in report.empty_queries.items():
            dropped.setdefault(code, Counter())["empty"] += count
        _show(kept, dropped, console)
        settings = FilterSettings(
            encoder_fingerprint=bundle and bundle.fingerprint,
            keep_share=request.keep_share,
            sample_passages=request.sample_passages,
            dropped={code: dict(reasons) for code, reasons in dropped.items()},
        )
        created = datetime.now(UTC).isoformat(timespec="seconds")
        described = (given or _made_elsewhere(request.queries, report)).model_copy(
            update={"queries": dict(kept), "filter": settings, "created_at": created}
        )
        write_atomically(sidecar_path(request.queries_path), described.model_dump_json(indent=1))
    console.print(f"{request.queries_path}: {sum(kept.values()):,} queries")


def _judge(
    request: FilterRequest,
    bundle: Bundle | None,
    staging: sqlite3.Connection,
    passages: int,
    verdicts: Verdicts,
    advance: Advance,
) -> None:
    """Take down a verdict on every query that has none yet."""
    start = verdicts.rows_done
    if start == passages:
        return
    embedder = scorer = None
    if bundle is not None:
        embedder = BatchEmbedder(
            OnnxEncoder(bundle, sides=tuple(Side), device=request.device), usable_cores(), request.max_batch_tokens
        )
        rows = np.unique(np.linspace(0, passages - 1, request.sample_passages).astype(int))
        sample = [passage for row in rows for passage in read_staged(staging, int(row), int(row) + 1)]
        scorer = QueryScorer(embedder, sample, bundle.encoder.similarity == "cosine")
    try:
        for first in range(start, passages, _PASSAGES_AT_ONCE):
            block = list(read_staged(staging, first, first + _PASSAGES_AT_ONCE))
            judged = list(_verdicts(block, first, scorer))
            verdicts.add(judged, first + len(block))
            advance(len(block), len(judged))
    finally:
        if embedder is not None:
            embedder.close()


def _verdicts(block: list[Passage], first: int, scorer: QueryScorer | None) -> Iterator[Verdict]:
    """The rules on every query of a block, and the scores of those that keep them."""
    sound: list[tuple[int, str, int, str]] = []
    for owner, passage in enumerate(block):
        for code, queries in passage.generated_queries.items():
            before: set[str] = set()
            for number, query in enumerate(queries):
                fault = fault_of(query, _SCRIPTS[code], passage, before)
                before.add(key_of(query))
                if fault:
                    yield Verdict(first + owner, code, number, fault, None)
                else:
                    sound.append((owner, code, number, query))
    scores = np.zeros(len(sound), np.float32)
    if scorer is not None and sound:
        scores = scorer.score(block, [owner for owner, *_ in sound], [query for *_, query in sound])
    for (owner, code, number, _), score in zip(sound, scores.tolist(), strict=True):
        yield Verdict(first + owner, code, number, None, score)


def _write(
    request: FilterRequest, staging: sqlite3.Connection, verdicts: Verdicts
) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Write what stays; the counts of it by language, and of what goes by language and reason."""
    thresholds = {code: verdicts.threshold(code, request.keep_share) for code in CODES}
    kept: Counter[str] = Counter()
    dropped: dict[str, Counter[str]] = {code: Counter() for code in CODES}
    with atomic_writer(request.queries_path) as file:
        for row, passage in enumerate(read_staged(staging)):
            on = verdicts.of_row(row)
            staying: dict[str, list[str]] = {}
            for code, queries in passage.generated_queries.items():
                scores = [score for number in range(len(queries)) if (score := on[code, number].score) is not None]
                floor = min(thresholds[code], max(scores, default=0))
                for number, query in enumerate(queries):
                    verdict = on[code, number]
                    if verdict.score is not None and verdict.score >= floor:
                        staying.setdefault(code, []).append(query)
                    else:
                        dropped[code][verdict.fault or _LOW] += 1
            kept.update({code: len(queries) for code, queries in staying.items()})
            gone = {
                code: len(queries) - len(staying.get(code, ()))
                for code, queries in passage.generated_queries.items()
                if len(queries) > len(staying.get(code, ()))
            }
            line = {"docid": passage.docid, "generated_queries": staying, "filtered_out": gone}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return kept, {code: reasons for code, reasons in dropped.items() if reasons}


def _made_elsewhere(queries: Path, report: StagingReport) -> QuerySet:
    """What is known of a file that came without a sidecar."""
    return QuerySet(
        generator=GeneratorIdentity(source="file", model=queries.name, revision=sha256_of(queries)[:12], settings={}),
        languages=list(report.queries_per_language),
        queries_per_language=min(fewest for fewest, _ in report.fewest_and_most.values()),
        passages=report.passages,
        corpus_digest=report.corpus_digest,
        queries=report.queries_per_language,
        lacking={},
        tally={},
        created_at="",
    )


def _show(kept: Counter[str], dropped: dict[str, Counter[str]], console: Console) -> None:
    reasons = [*get_args(Fault), _LOW]
    table = Table("language", "given", *reasons, "kept")
    for code in sorted(kept.keys() | dropped.keys()):
        gone = dropped.get(code, Counter())
        given = kept[code] + gone.total()
        table.add_row(code, f"{given:,}", *(f"{gone[reason]:,}" for reason in reasons), f"{kept[code]:,}")
    console.print(table)
