"""Where a search tells of its stages, for traces; nothing here knows of OpenTelemetry."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from app.batcher import Embedded

Attributes = Mapping[str, str | int | float | bool]
_NOTHING: AbstractContextManager[None] = nullcontext()


class Spans(Protocol):
    """Spans of a search, under whichever span is current."""

    def stage(self, name: str, attributes: Attributes | None = None) -> AbstractContextManager[object]:
        """A span around a stage; current within it."""
        ...

    def embedded(self, embedded: Embedded) -> None:
        """Spans of the two stages that ended just now in the batcher, where no request is current."""
        ...


class NoSpans:
    """Traces are off."""

    def stage(self, name: str, attributes: Attributes | None = None) -> AbstractContextManager[object]:
        return _NOTHING

    def embedded(self, embedded: Embedded) -> None:
        pass
