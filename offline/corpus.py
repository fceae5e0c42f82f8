"""Stream passages in: JSONL, BEIR ``corpus.jsonl``, TSV or Parquet, plain or gzip."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import InputError
from app.passages import Passage
from offline.files import lines, records, suffix_of

_OWN_KEYS = ("docid", "_id", "id", "title", "text", "metadata", "generated_queries")


def read_corpus(path: Path, with_queries: bool = True) -> Iterator[tuple[int, Passage]]:
    """Yield the line number and the passage of every line.

    Generated queries in the lines are left to ``read_queries``; where it will not be called
    (``with_queries`` is false), they are refused rather than dropped.

    JSON objects carry ``docid`` (BEIR's ``_id`` and plain ``id`` will do), ``text``, an optional
    ``title``, and metadata as further keys or under ``metadata``.  A TSV has the columns docid,
    text and title, with or without a header, quoted as in DPR's ``psgs_w100.tsv``.

    Raises:
        InputError: a line cannot be read, or has no docid or no text.
        ConfigurationError: the file is missing or of an unknown kind.
    """
    rows = _tsv_rows(path) if suffix_of(path) == ".tsv" else records(path)
    for number, record in rows:
        if record.get("generated_queries") and not with_queries:
            problem = "the corpus carries generated queries, but no --queries was given"
            raise InputError.at(path, number, problem, "give this file as --queries too (alpha 0 leaves them out)")
        yield number, _passage(path, number, record)


def _tsv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows by column name: those of the header, or docid, text, title."""
    csv.field_size_limit(2**24)
    reader = csv.reader((line for _, line in lines(path)), delimiter="\t", strict=True)
    columns = ["docid", "text", "title"]
    number = 0
    try:
        for row in reader:
            first, number = number + 1, reader.line_num
            if number > first:
                raise InputError.at(path, first, "a quote is not closed on its line", 'double each quote: "" for "')
            if first == 1 and "text" in row and {"docid", "_id", "id"} & set(row):
                columns = row
            elif row:
                if len(row) not in (len(columns), 2):
                    problem = f"the line has {len(row)} columns"
                    raise InputError.at(path, number, problem, f"write {', '.join(columns)}, parted by tabs")
                yield number, dict(zip(columns, row, strict=False))
    except csv.Error as error:
        problem = f"the quotes of the line are not closed ({error})"
        raise InputError.at(path, number + 1, problem, 'double each quote: "" for "') from error


def _passage(path: Path, number: int, record: dict[str, Any]) -> Passage:
    docid = next((record[key] for key in ("docid", "_id", "id") if record.get(key) not in (None, "")), None)
    if docid is None:
        raise InputError.at(path, number, "the passage has no docid", "give every passage a docid of its own")
    text, title = record.get("text"), record.get("title")
    if not isinstance(text, str) or not text.strip():
        raise InputError.at(path, number, f"the passage {docid!r} has no text", "give it a text or drop the line")
    if not isinstance(title, str | None):
        raise InputError.at(path, number, f"the title of {docid!r} is no string", "write it in quotes")
    metadata = {key: value for key, value in record.items() if key not in _OWN_KEYS and value is not None}
    nested = record.get("metadata")
    if isinstance(nested, dict):
        metadata |= nested
    if any(isinstance(value, float) and not math.isfinite(value) for value in metadata.values()):
        raise InputError.at(path, number, f"the metadata of {docid!r} holds no finite number", "leave the field out")
    return Passage(docid=str(docid), title=title or "", text=text, metadata=metadata)
