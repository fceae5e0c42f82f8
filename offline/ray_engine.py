"""RayEngine: a job's units on a Ray cluster, one worker an actor, through Ray Data.

Workers read and write the job's folder, so it must lie on storage that every node sees.  Only
unit numbers and results travel.  A worker that dies is replaced and its units are done again;
since a unit is on disk whole or not at all, doing it again is harmless.
"""

import logging
import math
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from app.errors import ConfigurationError, XqgError
from offline.engine import Worker

R = TypeVar("R")

_MAX_RAY_BLOCKS = 4096  # Ray's own limit to what it plans with ease; a block may hold several calls


@dataclass(frozen=True, slots=True)
class RayEngine:
    """Runs units on ``workers`` actors.

    Args:
        workers: how many actors.
        cpus: cores reserved for each.
        gpus: GPUs reserved for each; a fraction shares one.
        address: of a running cluster; None starts one on this machine, for the job alone.
        units_at_once: how many units an actor gets in one call, and does again if it dies.
    """

    workers: int
    cpus: float = 1
    gpus: float = 0
    address: str | None = None
    units_at_once: int = 4

    def __post_init__(self) -> None:
        if self.workers < 1 or self.cpus <= 0 or self.gpus < 0:
            raise ConfigurationError("--workers and the cores of each must be positive")

    def run(self, make_worker: Callable[[], Worker[R]], units: Sequence[int]) -> Iterator[R]:
        """As ``Engine.run``.

        Raises:
            ConfigurationError: Ray is not installed, or there is no cluster at the address.
            XqgError: what a worker raised on purpose.
        """
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it warns of what Ray Data itself does
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise ConfigurationError("--engine ray needs the extra `ray`: pip install '.[ray]'") from error
        self._connect(ray)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        calls = min(-(-len(units) // self.units_at_once), _MAX_RAY_BLOCKS)
        dataset = ray.data.from_items([{"unit": int(unit)} for unit in units], override_num_blocks=calls)
        done = dataset.map_batches(
            _Actor,
            fn_constructor_args=(make_worker,),
            batch_size=self.units_at_once,
            compute=ray.data.ActorPoolStrategy(size=min(self.workers, calls)),
            num_cpus=self.cpus,
            num_gpus=self.gpus,
        )
        try:
            for row in done.iter_rows():
                if isinstance(row["result"], _Raised):
                    raise row["result"].error
                yield row["result"]
        finally:
            if self.address is None:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:
        if ray.is_initialized():
            return
        try:
            ray.init(
                address=self.address or "local",
                num_cpus=None if self.address else math.ceil(self.workers * self.cpus),
                include_dashboard=False if self.address is None else None,
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            where = self.address or "this machine"
            raise ConfigurationError(
                f"no Ray cluster at {where}: {error}; start one with `ray start --head`"
            ) from error


@dataclass(frozen=True, slots=True)
class _Raised:
    """An error that has a line of its own for people: Ray would wrap it in pages."""

    error: Exception


class _Actor:
    """A worker in a process of its own."""

    def __init__(self, make_worker: Callable[[], Worker[Any]]) -> None:
        self._make_worker = make_worker
        self._worker: Worker[Any] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        results: list[Any] = []
        try:
            self._worker = self._worker or self._make_worker()
            results.extend(self._worker.run(batch["unit"].tolist()))
        except (XqgError, OSError, sqlite3.Error) as error:
            results.append(_Raised(error))
        column = np.empty(len(results), dtype=object)
        column[:] = results
        return {"result": column}
