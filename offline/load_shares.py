"""Load by several workers at once: each loads a share of a run, and the last makes the collection live."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from rich.console import Console

from app.index import IndexContract
from offline.engine import Engine
from offline.load import check_gate, load
from offline.load_request import LoadRequest
from offline.progress import progress
from offline.run import Run
from offline.share import Share


class ShareLoader:
    """A ``Worker`` whose units are the shares of a load."""

    def __init__(self, request: LoadRequest, shares: int) -> None:
        self._request = request
        self._shares = shares

    def run(self, units: Iterable[int]) -> Iterator[int]:
        """Load shares, counted from 0.  One whose worker died goes on after its last mark."""
        for unit in units:
            share = Share(unit + 1, self._shares)
            asyncio.run(load(replace(self._request, share=share), Console(quiet=True)))
            yield unit

    def close(self) -> None:
        """Every load closes what it opens."""


def load_by_shares(request: LoadRequest, engine: Engine, shares: int, console: Console) -> IndexContract:
    """``load`` on an engine, in as many shares as are said.

    Raises: as ``load`` does.
    """
    request = replace(request, vectors=request.vectors.resolve())  # workers have folders of their own to start in
    manifest = Run(request.vectors).manifest()
    if request.gate is not None:  # once for all workers
        asyncio.run(check_gate(request, console))
        request = replace(request, gate=None)
    if manifest is not None:
        with progress(console, "loading", manifest.report.passages) as advance:
            for unit in engine.run(partial(ShareLoader, request, shares), range(shares)):
                own = Share(unit + 1, shares).units(manifest.shard_count)
                advance(sum(len(manifest.rows(shard)) for shard in own), 0)
    return asyncio.run(load(request, console))  # says what is live, and does what a lost worker left
