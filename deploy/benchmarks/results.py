"""What a benchmark measured, repetition by repetition, and the figures derived from it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

LEVELS = (1, 8, 32)
"""Connections at once."""


@dataclass(frozen=True, slots=True)
class Level:
    """One repetition of one contestant at one level."""

    rate: float
    """Good answers a second."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    server_cpu_ms: float
    """Of the server and its children, per request."""
    client_cpu_ms: float


@dataclass(slots=True)
class Measured:
    """All repetitions of one contestant."""

    name: str
    ours: bool = False
    engine: str | None = None
    agreement: tuple[float, float] | None = None
    levels: dict[int, list[Level]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    first_answer_s: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    failure: str | None = None
    """Why it was left out from some repetition on."""

    def middle(self, level: int, name: str) -> float:
        """The median over the repetitions of a field of ``Level``."""
        return median(getattr(each, name) for each in self.levels[level])


@dataclass(slots=True)
class Bound:
    """The raw parts, one entry a repetition as ``bound.py`` prints it, and what HTTP alone costs."""

    cores: int
    parts: list[dict[str, Any]] = field(default_factory=list)
    http: Measured = field(default_factory=lambda: Measured("canned answer, HTTP alone"))

    def engines(self) -> list[str]:
        return list(self.parts[0]["engines"]) if self.parts else []

    def best(self, engine: str) -> dict[str, Any]:
        """The cell of the grid with the highest median rate: its rates, and its median CPU seconds a question."""
        grids = [part["engines"][engine]["grid"] for part in self.parts]
        cells = [
            {
                "callers": cell[0]["callers"],
                "batch": cell[0]["batch"],
                "rates": [each["rate"] for each in cell],
                "cpu_s": median(each["cpu_s"] for each in cell),
            }
            for cell in zip(*grids, strict=True)
        ]
        return max(cells, key=lambda cell: median(cell["rates"]))

    def lone_ms(self, engine: str, name: str) -> list[float]:
        return [1e3 * part["engines"][engine]["lone"][name] for part in self.parts]

    def search_cpu_ms(self) -> float:
        return 1e3 * median(part["search_cpu_s"] for part in self.parts)

    def http_cpu_ms(self) -> float:
        """Of server and client for one request, at the highest level, where both are cheapest."""
        return self.http.middle(LEVELS[-1], "server_cpu_ms") + self.http.middle(LEVELS[-1], "client_cpu_ms")

    def combined(self, engine: str) -> float:
        """Requests a second that no service over this engine on these cores can exceed."""
        cpu_ms = 1e3 * self.best(engine)["cpu_s"] + self.http_cpu_ms() + self.search_cpu_ms()
        return 1e3 * self.cores / cpu_ms


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median, and from the least to the most where there are several."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"
