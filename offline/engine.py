"""Engine: who runs a job's units; this process, or a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol, TypeVar

Result = TypeVar("Result", covariant=True)
R = TypeVar("R")


class Worker(Protocol[Result]):
    """Does one unit of a job, and leaves what it made on disk, whole or not at all."""

    def __call__(self, number: int) -> Result: ...

    def close(self) -> None: ...


class Engine(Protocol):
    """Runs units of a job on workers that it makes."""

    def run(self, make_worker: Callable[[], Worker[R]], units: Sequence[int], at_once: int = 1) -> Iterator[R]:
        """Yield the result of each unit as it is done.

        Args:
            make_worker: pickles; called once in every process that works.
            units: numbers of the units.
            at_once: how many units a worker takes at a time, on threads.
        """


class LocalEngine:
    """One worker, in this process."""

    def run(self, make_worker: Callable[[], Worker[R]], units: Sequence[int], at_once: int = 1) -> Iterator[R]:
        worker = make_worker()
        source = iter(units)
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="unit")
        try:
            under_way = [pool.submit(worker, unit) for unit in islice(source, at_once)]
            while under_way:
                done = under_way.pop(0).result()
                under_way += [pool.submit(worker, unit) for unit in islice(source, 1)]
                yield done
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            worker.close()  # first, since what is under way may be waiting for a server
            pool.shutdown()
