"""What a plan is made of: a corpus, machines, and rates that each say where they come from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from app.errors import ConfigurationError

Hardware = Literal["cpu", "gpu"]

# measured on two cores, see deploy/SIZING.md
_MEASURED_DIMENSION = 384
_STAGED_PER_S = 10_000_000
_EMBEDDED_PER_S = 3_900
_LOADED_PER_S = 4_000
_LINKED_PER_S = 2_100
_LINKED = 100_000


@dataclass(frozen=True, slots=True)
class Workload:
    """A corpus with its queries, and the vectors that they become.

    The defaults are the 18 million passages of the paper; lengths are the demo's.

    Raises:
        ConfigurationError: a number is out of range.
    """

    passages: float = 18_000_000
    languages: int = 7
    queries_per_language: int = 5
    """Of each passage."""
    dimension: int = 768
    passage_tokens: float = 139
    query_tokens: float = 16.3
    passage_bytes: float = 629
    """Of a passage's line in a corpus file."""
    query_bytes: float = 77
    """Of a query in a queries file."""
    shard_size: int = 512
    links: int = 16
    """HNSW's m."""

    def __post_init__(self) -> None:
        for field in fields(self):
            least = 0 if field.name in ("languages", "queries_per_language") else 2 if field.name == "links" else 1
            if not least <= getattr(self, field.name) < math.inf:  # NaN is neither
                option = field.name.replace("_", "-")
                raise ConfigurationError(f"--{option} must be a number of at least {least}")

    @property
    def queries_per_passage(self) -> int:
        return self.languages * self.queries_per_language


@dataclass(frozen=True, slots=True)
class Rate:
    """A number that a plan rests on, and why it should be believed."""

    value: float
    unit: str
    source: str
    """Begins with ``measured``, ``assumed`` or ``given``."""


@dataclass(frozen=True, slots=True)
class Rates:
    """All that a plan knows of machines; speeds are of one worker."""

    generate: Rate
    stage: Rate
    """Checking and joining the input, which one worker does for all."""
    embed: Rate
    load: Rate
    link: Rate
    """Building the HNSW graph."""
    worker_price: Rate
    memory_price: Rate
    disk_price: Rate


def rates_of(hardware: Hardware, work: Workload, given: Mapping[str, float | None]) -> Rates:
    """The rates of a preset; what is ``given`` under the name of a field, and not None, replaces it.

    ``cpu`` is a worker of two cores like those that this project is measured on; ``gpu`` is one
    GPU of about 300 dense half-precision teraflops with cores enough to feed it.

    Raises:
        ConfigurationError: a rate is not above 0.
    """
    wider = _MEASURED_DIMENSION / work.dimension
    more = math.log(max(work.passages, _LINKED)) / math.log(_LINKED)
    times = f"times {_MEASURED_DIMENSION} / {work.dimension}"
    rates = {
        "generate": {
            "cpu": Rate(
                2, "queries/s", "measured: random weights of mT5-base's shape in torch, 17 tokens a query, two cores"
            ),
            "gpu": Rate(1_000, "queries/s", "assumed: mT5-base on such a GPU; never measured"),
        }[hardware],
        "stage": Rate(_STAGED_PER_S, "bytes/s", "measured: of the lines that go in"),
        "embed": {
            "cpu": Rate(
                _EMBEDDED_PER_S * wider**2,
                "tokens/s",
                f"measured: {_EMBEDDED_PER_S:,} in 12 layers of {_MEASURED_DIMENSION}; {times}, squared, is assumed",
            ),
            "gpu": Rate(
                200_000 * (768 / work.dimension) ** 2,
                "tokens/s",
                "assumed: 200,000 in 12 layers of 768 on such a GPU, by the square of the width; never measured",
            ),
        }[hardware],
        "load": Rate(
            _LOADED_PER_S * wider,
            "passages/s",
            f"measured: {_LOADED_PER_S:,} at {_MEASURED_DIMENSION} dimensions into Edge; {times} is assumed",
        ),
        "link": Rate(
            round(_LINKED_PER_S * wider / more),
            "passages/s",
            f"measured: {_LINKED_PER_S:,} for {_LINKED:,} of {_MEASURED_DIMENSION} dimensions on two cores; "
            f"{times}, by {more:.2f} for the logarithm of the number, is assumed",
        ),
        "worker_price": {
            "cpu": Rate(0.10, "$/h", "assumed: two rented cores"),
            "gpu": Rate(2.00, "$/h", "assumed: such a GPU, rented"),
        }[hardware],
        "memory_price": Rate(0.008, "$/GB/h", "assumed: rented machines with much memory"),
        "disk_price": Rate(0.08, "$/GB/month", "assumed: rented SSDs"),
    }
    for name, value in given.items():
        if value is not None:
            if not 0 < value < math.inf:
                raise ConfigurationError(f"the rate of {name.replace('_', ' ')} must be a number above 0")
            rates[name] = Rate(value, rates[name].unit, "given")
    return Rates(**rates)
