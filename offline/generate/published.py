"""Queries from ready-made files in the shape of ``ielab/xor-tydi-xqg-augmented``."""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from app.bundle import sha256_of
from app.errors import InputError
from offline.files import suffix_of
from offline.generate.folder import STAGING
from offline.generate.generator import Answer, Answers, GeneratorIdentity, Wanted
from offline.queries import Mended, read_queries


class PublishedGenerator:
    """Looks queries up by docid in an index that ``index_published`` made."""

    rounds = 1

    def __init__(self, index: Path) -> None:
        self._database = sqlite3.connect(f"{index.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)

    def generate(self, wanted: Sequence[Wanted]) -> Answers:
        answers = []
        for each in wanted:
            row = self._database.execute("SELECT queries FROM published WHERE docid = ?", (each.passage.docid,))
            found = row.fetchone()
            texts = json.loads(found[0]).get(each.language, []) if found else []
            left = texts[len(each.have) : len(each.have) + each.count]
            there = f"the files have {len(texts)} queries" if found else "the files do not have the passage"
            answers.append(Answer(left, there if len(left) < each.count else ""))
        return Answers(answers, Counter())

    def close(self) -> None:
        self._database.close()


def index_published(files: Sequence[Path], index: Path, folder: Path, console: Console) -> None:
    """Read the files into one SQLite file, each passage's queries under its docid; say what was found.

    Raises:
        InputError: a line cannot be read, or two lines give a passage different queries.
    """
    for path in files:
        suffix_of(path)  # before the first is read, say which is missing
    partial = index.with_name(f"{index.name}.partial")
    partial.unlink(missing_ok=True)
    mended = Mended()
    database = sqlite3.connect(partial, isolation_level=None)
    try:
        database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE published (docid TEXT PRIMARY KEY, queries TEXT NOT NULL) WITHOUT ROWID; BEGIN;"
        )
        for path in files:
            for line in read_queries(path, mended):
                _add(database, path, line.number, line.docid, line.queries, mended)
        database.execute("COMMIT")
        database.execute("ATTACH ? AS staging", (str(folder / STAGING),))
        (strangers,) = database.execute(
            "SELECT count(*) FROM published WHERE docid NOT IN (SELECT docid FROM staging.passages)"
        ).fetchone()
        found = database.execute(
            "SELECT key, sum(json_array_length(value)) FROM published, json_each(queries) GROUP BY key"
        ).fetchall()
    finally:
        database.close()
    console.print(f"the files hold {', '.join(f'{count:,} {code}' for code, count in found) or 'no'} queries")
    mended.counts["passages that are not in the corpus, left out"] = strangers
    for what, count in mended.counts.items():
        if count:
            console.print(f"  {count:,} {what}")
    partial.replace(index)


def _add(
    database: sqlite3.Connection, path: Path, number: int, docid: str, queries: dict[str, list[str]], mended: Mended
) -> None:
    """A file a language is as good as one file for all: languages add up, but may not contradict."""
    found = database.execute("SELECT queries FROM published WHERE docid = ?", (docid,)).fetchone()
    before = json.loads(found[0]) if found else {}
    for code in before.keys() & queries.keys():
        if before[code] != queries[code]:
            problem = f"other {code} queries for {docid!r} were given before"
            raise InputError.at(path, number, problem, "merge the two lines into one")
    mended.counts["repeated lines with the same queries"] += bool(before.keys() & queries.keys())
    merged = json.dumps(before | queries, ensure_ascii=False)
    database.execute("INSERT OR REPLACE INTO published VALUES (?, ?)", (docid, merged))


def identity_of(files: Sequence[Path]) -> GeneratorIdentity:
    """The files by name and content."""
    names = ", ".join(path.name for path in files)
    digests = {path.name: sha256_of(path) for path in files}
    return GeneratorIdentity(source="published", model=names, revision="local", settings=dict(digests))
