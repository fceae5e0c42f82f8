"""The verdict on every query of a set, in a SQLite file: a rule it breaks, or its score.

The best share of a language is known only when all are scored, and neither queries nor scores
need fit in memory.  Verdicts are committed passage by passage, so a killed filter goes on.
"""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import RunConflict

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (settings TEXT NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (
    row INTEGER, language TEXT, number INTEGER, fault TEXT, score REAL, PRIMARY KEY (row, language, number)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """On query ``number`` of a passage and language; without a fault, a score (0 where none is asked for)."""

    row: int
    language: str
    number: int
    fault: str | None
    score: float | None


class Verdicts:
    """The file, open."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @classmethod
    @contextmanager
    def open(cls, path: Path, settings: str, anew: bool = False) -> Iterator["Verdicts"]:
        """Open or begin the file; ``anew`` begins it again where it is of other input or settings.

        Raises:
            RunConflict: it was begun with other input or settings.
        """
        database = sqlite3.connect(path, isolation_level=None)
        try:
            database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
            found = database.execute("SELECT settings FROM about").fetchone()
            if found is None:
                database.execute("INSERT INTO about VALUES (?, 0)", (settings,))
            elif found[0] != settings and anew:
                database.execute("DELETE FROM verdicts")
                database.execute("UPDATE about SET settings = ?, rows = 0", (settings,))
            elif found[0] != settings:
                raise RunConflict(f"{path.parent} holds a filter of other input or settings; give another folder")
            yield cls(database)
        finally:
            database.close()

    @property
    def rows_done(self) -> int:
        """Passages whose queries are judged."""
        return int(self._database.execute("SELECT rows FROM about").fetchone()[0])

    def add(self, verdicts: Sequence[Verdict], rows_done: int) -> None:
        """Take down the verdicts on all queries up to the row ``rows_done``, exclusive."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?)",
            ((each.row, each.language, each.number, each.fault, each.score) for each in verdicts),
        )
        self._database.execute("UPDATE about SET rows = ?", (rows_done,))
        self._database.execute("COMMIT")

    def threshold(self, language: str, keep_share: float) -> float:
        """The lowest score in the best ``keep_share`` of a language's scored queries."""
        if keep_share == 1:
            return -math.inf
        # made once all are judged: one that grew with them would be written at random places
        self._database.execute("CREATE INDEX IF NOT EXISTS by_score ON verdicts (language, score)")
        (count,) = self._database.execute(
            "SELECT count(score) FROM verdicts WHERE language = ?", (language,)
        ).fetchone()
        kept = math.ceil(count * keep_share - 1e-9)
        if not count:
            return -math.inf
        found = self._database.execute(
            "SELECT score FROM verdicts WHERE language = ? AND score IS NOT NULL ORDER BY score DESC LIMIT 1 OFFSET ?",
            (language, kept - 1),
        ).fetchone()
        return float(found[0])

    def of_row(self, row: int) -> dict[tuple[str, int], Verdict]:
        """The verdicts on a passage's queries, by language and number."""
        found = self._database.execute("SELECT row, language, number, fault, score FROM verdicts WHERE row = ?", (row,))
        return {(each.language, each.number): each for each in (Verdict(*fields) for fields in found)}
