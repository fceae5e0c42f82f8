"""QueryGenerator: what every source of queries is to the job."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from app.passages import Passage


class GeneratorIdentity(BaseModel):
    """What decides the queries, besides the passages; recorded beside them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """``seq2seq``, ``chat`` or ``published``."""
    model: str
    revision: str
    settings: dict[str, str | int | float | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The queries that a passage lacks in one language."""

    passage: Passage
    language: str
    count: int
    drawn: int = 0
    """How many were asked for before: a seeded source goes on from there and does not repeat itself."""
    have: Sequence[str] = ()
    """The passage's queries in this language so far."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source gave for a ``Wanted``: as many queries as it could, and why not all."""

    queries: list[str]
    problem: str = ""


@dataclass(slots=True)
class Answers:
    """One answer for each ``Wanted``, in order, and what they took (requests, tokens)."""

    answers: list[Answer]
    tally: Counter[str] = field(default_factory=Counter)


class QueryGenerator(Protocol):
    """Makes queries for a few passages at a time."""

    rounds: int
    """How often what an answer lacks is worth asking for."""

    def generate(self, wanted: Sequence[Wanted]) -> Answers:
        """Answer each of ``wanted``.

        Raises:
            GeneratorUnavailable: the source cannot work now; the same command goes on later.
            ConfigurationError: the source cannot work as asked.
        """

    def close(self) -> None: ...
