"""The faults that a test can stage on the Qdrant stub."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refuse:
    """Answer with an error and do nothing."""

    status: int
    retry_after: str | None = None
    """Value of the header ``Retry-After``."""
    reason: str = "staged"


@dataclass(frozen=True)
class Reset:
    """Cut the connection and do nothing."""


@dataclass(frozen=True)
class LoseAnswer:
    """Do what is asked, then cut the connection."""


@dataclass(frozen=True)
class CutShort:
    """Begin an answer, then cut the connection."""


@dataclass(frozen=True)
class Garble:
    """Answer 200 with something that is no answer of Qdrant's."""

    body: bytes = b"<html>It works!</html>"


@dataclass(frozen=True)
class Hang:
    """Answer nothing for a while, then cut the connection."""

    seconds: float


@dataclass(frozen=True)
class Die:
    """Cut the connection and close the port; ``start`` brings the server back with what it held."""


@dataclass(frozen=True)
class Drop:
    """Lose the collection, then do what is asked."""


Fault = Refuse | Reset | LoseAnswer | CutShort | Garble | Hang | Die | Drop
