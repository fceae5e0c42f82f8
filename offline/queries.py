"""Stream generated queries in, in the shape of ``ielab/xor-tydi-xqg-augmented``.

One line a passage: ``{"docid", "generated_queries": {"ar": [...], "bn": [...], ...}}``.  Real
files are untidy; what is harmless is mended and counted, what would corrupt is refused.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.errors import InputError
from app.languages import normalise_tag
from offline.files import records

Queries = dict[str, list[str]]
"""Language code to the passage's queries in that language."""


@dataclass(frozen=True, slots=True)
class QueryLine:
    """The queries of one passage, cleaned."""

    number: int
    """Of the line, from 1."""
    docid: str
    queries: Queries
    filtered_out: dict[str, int]
    """Per language, how many queries a filter dropped on purpose (``offline/filter.py``)."""


@dataclass(slots=True)
class Mended:
    """How often each harmless untidiness was met; filled while the file streams."""

    counts: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    """Language to empty queries dropped."""


def read_queries(path: Path, mended: Mended) -> Iterator[QueryLine]:
    """Yield the cleaned queries of every line.

    Raises:
        InputError: a line cannot be read, lacks docid or queries, or has an unknown language.
        ConfigurationError: the file is missing or of an unknown kind.
    """
    for number, record in records(path):
        docid = record.get("docid")
        if docid in (None, ""):
            raise InputError.at(path, number, "the line has no docid", "name the passage of the queries")
        by_tag = record.get("generated_queries")
        if isinstance(by_tag, list) and all(isinstance(item, tuple) for item in by_tag):  # a Parquet map column
            by_tag = dict(by_tag)
        if not isinstance(by_tag, dict):
            problem = f"{docid!r} has no generated_queries object"
            raise InputError.at(path, number, problem, 'write {"generated_queries": {"ar": [...]}}')
        dropped = record.get("filtered_out") or {}
        if not isinstance(dropped, dict) or not all(isinstance(count, int) for count in dropped.values()):
            problem = f"filtered_out of {docid!r} is no object of counts"
            raise InputError.at(path, number, problem, 'write {"ar": 2}, or leave it out')
        yield QueryLine(number, str(docid), _clean(path, number, by_tag, mended), dropped)


def _clean(path: Path, number: int, by_tag: dict[str, Any], mended: Mended) -> Queries:
    cleaned: Queries = {}
    for tag, texts in by_tag.items():
        if texts is None:  # a Parquet struct has every language in every row
            continue
        try:
            code = normalise_tag(tag)
        except ValueError as error:
            raise InputError.at(path, number, str(error), "rename the language or drop its queries") from error
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            problem = f"the queries of {tag!r} are no list of strings"
            raise InputError.at(path, number, problem, 'write {"ar": ["...", "..."]}')
        kept = [text.strip() for text in texts if text.strip()]
        mended.counts["language tags with stray spaces or capitals"] += tag != code
        mended.counts["empty queries dropped"] += len(texts) - len(kept)
        mended.empty[code] += len(texts) - len(kept)
        cleaned.setdefault(code, []).extend(kept)
    return {code: texts for code, texts in sorted(cleaned.items()) if texts}
