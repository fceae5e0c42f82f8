"""Corpus and queries, checked and joined before the first vector is computed.

A bad line at the end of a corpus must not cost a day of encoding, a docid must not come twice,
and neither must need the corpus in memory: a staging file (SQLite) holds passages in corpus
order, each with its queries.
"""

import hashlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.errors import InputError
from app.index.contract import FieldType
from app.passages import Passage
from offline.corpus import read_corpus
from offline.digests import canonical_json, canonical_passage, canonical_queries
from offline.queries import Mended, Queries, read_queries
from offline.query_set import QuerySet, read_sidecar

_SCHEMA = """
CREATE TABLE passages (
    row INTEGER PRIMARY KEY, docid TEXT UNIQUE NOT NULL, line INTEGER NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, metadata TEXT NOT NULL, queries TEXT, queries_line INTEGER,
    filtered_out TEXT
)
"""


@dataclass(frozen=True, slots=True)
class StagingReport:
    """What was read: counts, digests of the content, and what was mended on the way."""

    passages: int
    augmented_passages: int
    queries_per_language: dict[str, int]
    fewest_and_most: dict[str, tuple[int, int]]
    """Per language, the fewest and the most queries that an augmented passage has."""
    corpus_digest: str
    queries_digest: str | None
    mended: dict[str, int]
    without_queries: list[str]
    """The first few docids that have no query."""
    lacking: dict[str, int] = field(default_factory=dict)
    """Per language, how many passages have fewer queries than the file's sidecar promises."""
    lacking_examples: list[str] = field(default_factory=list)
    """Docid and language of the first few of them."""
    empty_queries: dict[str, int] = field(default_factory=dict)
    """Per language, how many queries were dropped since they are empty."""


def stage(
    path: Path, corpus: Path, queries: Path | None, ignore_unmatched: bool = False, passages_alone: bool = False
) -> StagingReport:
    """Read, check and join both files into a fresh staging file.

    ``passages_alone`` says that queries which the corpus itself carries are not wanted.

    Raises:
        InputError: a line that would corrupt the index, with file, line number and remedy.
    """
    path.unlink(missing_ok=True)
    mended = Mended()
    with sqlite3.connect(path, isolation_level=None) as database:
        # a half-written staging file is thrown away, so durability is not worth its price
        database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)
        database.execute("BEGIN")
        _read_passages(database, corpus, with_queries=passages_alone or queries is not None)
        if queries is not None:
            _read_queries(database, queries, mended, ignore_unmatched)
        database.execute("COMMIT")
        report = _report(database, mended, queries is not None)
        promised = read_sidecar(queries) if queries is not None else None
        if promised is not None:
            report = _held_against(database, report, promised)
    database.close()
    with path.open("rb") as staged:  # on disk before a manifest says so
        os.fsync(staged.fileno())
    return report


def refuse_incomplete(report: StagingReport, source: object, allow_partial: bool) -> None:
    """Passages without queries, or with fewer, lose to those that have them.

    Raises:
        InputError: some do, and nobody said that it is meant; names how many, where and what to do.
    """
    lacking = report.passages - report.augmented_passages
    if allow_partial or not report.augmented_passages:
        return
    if lacking:
        some = ", ".join(map(repr, report.without_queries))
        raise InputError(
            f"{source}: {lacking:,} of {report.passages:,} passages have no generated queries "
            f"(such as {some}) and would lose to those that have; generate the rest, or pass --allow-partial"
        )
    if report.lacking:
        counts = ", ".join(f"{code}: {count:,}" for code, count in report.lacking.items())
        raise InputError(
            f"{source}: passages have fewer queries than the set promises ({counts}, such as "
            f"{', '.join(report.lacking_examples)}); run `python -m offline generate` again, it does only what is "
            "missing, or pass --allow-partial"
        )


def _read_passages(database: sqlite3.Connection, corpus: Path, with_queries: bool) -> None:
    row = -1
    for row, (line, passage) in enumerate(read_corpus(corpus, with_queries)):
        fields = (passage.docid, line, passage.title, passage.text, canonical_json(passage.metadata))
        try:
            database.execute(
                "INSERT INTO passages (row, docid, line, title, text, metadata) VALUES (?, ?, ?, ?, ?, ?)",
                (row, *fields),
            )
        except sqlite3.IntegrityError as error:
            (first,) = database.execute("SELECT line FROM passages WHERE docid = ?", (passage.docid,)).fetchone()
            problem = f"the docid {passage.docid!r} was given before, in line {first}"
            raise InputError.at(corpus, line, problem, "give every passage a docid of its own") from error
    if row < 0:
        raise InputError(f"{corpus} holds no passage; is it the right file?")


def _read_queries(database: sqlite3.Connection, path: Path, mended: Mended, ignore_unmatched: bool) -> None:
    for given in read_queries(path, mended):
        line, docid, by_language = given.number, given.docid, given.queries
        found = database.execute("SELECT row, queries, queries_line FROM passages WHERE docid = ?", (docid,)).fetchone()
        if found is None:
            if ignore_unmatched:
                mended.counts["lines for passages that are not in the corpus, left out"] += 1
                continue
            problem = f"the corpus has no passage {docid!r}"
            raise InputError.at(path, line, problem, "use the corpus the queries were made from, or --ignore-unmatched")
        row, before, before_line = found
        if before is not None:
            if before == canonical_json(by_language):
                mended.counts["repeated lines with the same queries"] += 1
                continue
            problem = f"other queries for {docid!r} were given in line {before_line}"
            raise InputError.at(path, line, problem, "merge the two lines into one")
        database.execute(
            "UPDATE passages SET queries = ?, queries_line = ?, filtered_out = ? WHERE row = ?",
            (canonical_json(by_language), line, canonical_json(given.filtered_out), row),
        )


def _report(database: sqlite3.Connection, mended: Mended, with_queries: bool) -> StagingReport:
    totals: Counter[str] = Counter()
    fewest_and_most: dict[str, tuple[int, int]] = {}
    without: list[str] = []
    corpus_digest, queries_digest = hashlib.sha256(), hashlib.sha256()
    passages = augmented = 0
    for passage in read_staged(database):
        passages += 1
        corpus_digest.update(canonical_passage(passage))
        queries_digest.update(canonical_queries(passage))
        if not passage.generated_queries:
            without += [passage.docid] if len(without) < 3 else []
            continue
        augmented += 1
        totals.update({code: len(texts) for code, texts in passage.generated_queries.items()})
    for code in sorted(totals):
        count = f"coalesce(json_array_length(queries, '$.{code}'), 0)"
        fewest_and_most[code] = database.execute(
            f"SELECT min({count}), max({count}) FROM passages WHERE queries NOT IN ('{{}}')"  # noqa: S608, known codes
        ).fetchone()
    return StagingReport(
        passages=passages,
        augmented_passages=augmented,
        queries_per_language=dict(sorted(totals.items())),
        fewest_and_most=fewest_and_most,
        corpus_digest=corpus_digest.hexdigest(),
        queries_digest=queries_digest.hexdigest() if with_queries else None,
        mended={what: count for what, count in mended.counts.items() if count},
        without_queries=without,
        empty_queries=dict(+mended.empty),
    )


def _held_against(database: sqlite3.Connection, report: StagingReport, promised: QuerySet) -> StagingReport:
    """The report with what lacks of the queries that the sidecar promises."""
    lacking: dict[str, int] = {}
    examples: list[str] = []
    for code in promised.languages:
        there = (
            f"coalesce(json_array_length(queries, '$.{code}'), 0) + coalesce(json_extract(filtered_out, '$.{code}'), 0)"
        )
        short = f"FROM passages WHERE {there} < {promised.queries_per_language}"
        (count,) = database.execute(f"SELECT count(*) {short}").fetchone()
        if count:
            lacking[code] = count
            docids = database.execute(f"SELECT docid {short} ORDER BY row LIMIT 3")
            examples += [f"{docid} ({code})" for (docid,) in docids]
    mended = dict(report.mended)
    if promised.corpus_digest != report.corpus_digest:
        mended["corpus that differs from the one that the queries were generated from"] = 1
    return replace(report, lacking=lacking, lacking_examples=examples[:3], mended=mended)


@contextmanager
def open_staging(path: Path) -> Iterator[sqlite3.Connection]:
    """A staging file that was written whole, to read."""
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        yield database
    finally:
        database.close()


def read_staged(database: sqlite3.Connection, start: int = 0, end: int | None = None) -> Iterator[Passage]:
    """Passages of the rows ``start`` to ``end`` (exclusive) in corpus order, with their queries."""
    rows = database.execute(
        "SELECT docid, title, text, metadata, queries FROM passages WHERE row >= ? AND row < ? ORDER BY row",
        (start, 2**62 if end is None else end),
    )
    for docid, title, text, metadata, queries in rows:
        by_language: Queries = json.loads(queries) if queries else {}
        yield Passage(docid, title, text, json.loads(metadata), by_language)


def field_type(database: sqlite3.Connection, field: str) -> FieldType | None:
    """The one type of a metadata field, None where it is missing everywhere or of several types."""
    path = "$." + json.dumps(field)
    # every value, those inside a list one by one
    sql = (
        "SELECT DISTINCT CASE json_type(metadata, ?1) WHEN 'object' THEN 'object' ELSE value.type END "
        "FROM passages, json_each(metadata, ?1) AS value WHERE value.type != 'null'"
    )
    kinds = {kind for (kind,) in database.execute(sql, (path,))}
    names: dict[frozenset[Any], FieldType] = {
        frozenset({"text"}): "keyword",
        frozenset({"integer"}): "integer",
        frozenset({"real"}): "float",
        frozenset({"integer", "real"}): "float",
        frozenset({"true"}): "bool",
        frozenset({"false"}): "bool",
        frozenset({"true", "false"}): "bool",
    }
    return names.get(frozenset(kinds))
