"""Engine: where a job's units (blocks, shards) are done; in this process, or on a Ray cluster."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

Result = TypeVar("Result", covariant=True)
R = TypeVar("R")


class Worker(Protocol[Result]):
    """Does units of a job, and leaves what it makes on disk, each unit whole or not at all."""

    def run(self, units: Iterable[int]) -> Iterator[Result]:
        """Do units and yield a result for each once it is done."""

    def close(self) -> None: ...


class Engine(Protocol):
    """Runs the units of a job on workers that it makes."""

    def run(self, make_worker: Callable[[], Worker[R]], units: Sequence[int]) -> Iterator[R]:
        """Yield the result of each unit as it is done, in any order.

        Args:
            make_worker: pickles; called once in every process that works.
            units: numbers of the units.
        """


class LocalEngine:
    """One worker, in this process."""

    def run(self, make_worker: Callable[[], Worker[R]], units: Sequence[int]) -> Iterator[R]:
        worker = make_worker()
        try:
            yield from worker.run(units)
        finally:
            worker.close()
