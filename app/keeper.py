"""IndexKeeper: opens the index that belongs to the encoder, and follows its alias without a gap."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from app.bundle import Bundle, Side
from app.errors import NotReady, XqgError
from app.index import PassageIndex
from app.index.protocol import IndexSource, Live

_LOG = logging.getLogger(__name__)
START_WAIT_S = 1.0


@dataclass(eq=False, slots=True)
class _Serving:
    """An open index, and how many use it."""

    index: PassageIndex
    leases: int = 0
    closed: bool = False

    @property
    def live(self) -> Live:
        return Live(self.index.collection, self.index.contract)


class IndexKeeper:
    """Keeps one index open, in the background.

    An index that is missing, unfit or out of reach makes the service not ready, and says why; it
    is tried again until an operator has mended it, with no restart.  Once one is open, its alias
    is watched: where it points at another, that one is opened and asked beside it, and takes its
    place between two searches.  One that does not fit is refused, and the old one goes on.

    Args:
        retry_s: pause after an attempt that failed.
        watch_s: pause between looks at the alias while an index is open; 0 does not look.
    """

    def __init__(self, bundle: Bundle, source: IndexSource, *, retry_s: float, watch_s: float) -> None:
        self._bundle = bundle
        self._source = source
        self._retry_s = retry_s
        self._watch_s = watch_s
        self._serving: _Serving | None = None
        self._reason: XqgError = NotReady("the index is being opened")
        self._refused: str | None = None
        self._said = ""
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self, wait_s: float = START_WAIT_S) -> None:
        """Begin to open and to watch.  Waits so long for the first attempt, but not for a server that hangs."""
        tried = asyncio.Event()
        self._task = asyncio.create_task(self._keep(tried))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(tried.wait(), wait_s)

    @property
    def index(self) -> PassageIndex:
        """The open index, to look at; ``lease`` is for asking it.

        Raises:
            XqgError: why there is none, as the last attempt found (503).
        """
        return self._current().index

    @property
    def is_open(self) -> bool:
        return self._serving is not None

    @property
    def refused(self) -> str | None:
        """Why the index that the alias points at is not served; None where it is, or is not known."""
        return self._refused

    @property
    def is_failing(self) -> bool:
        """Whether the open index failed so often that it is left alone for a moment."""
        return self._serving is not None and self._serving.index.is_failing

    @property
    def calls_in_flight(self) -> int:
        """Calls that wait for the open index's answer."""
        return 0 if self._serving is None else self._serving.index.calls_in_flight

    @contextmanager
    def lease(self) -> Iterator[PassageIndex]:
        """The open index, which stays open until the lease ends, whatever the alias does.

        Nothing here awaits, so a caller who is cancelled gives back what it took.

        Raises:
            XqgError: there is none, as ``index`` says, or its server is left alone for having failed.
        """
        serving = self._current()
        serving.index.check_available()
        serving.leases += 1
        try:
            yield serving.index
        finally:
            serving.leases -= 1
            self._close_unused(serving)

    async def close(self) -> None:
        """Stop watching and close the index, whoever may still use it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._serving is not None:
            await self._close(self._serving)
        await self._until_closed()
        await self._source.close()

    def _current(self) -> _Serving:
        if self._serving is None:
            # a fresh one each time: a raised exception carries the traceback of its request
            raise type(self._reason)(self._reason.message, retry_after_s=self._retry_s)
        return self._serving

    async def _keep(self, tried: asyncio.Event) -> None:
        while True:
            follows = await self._follow()
            tried.set()
            if self._serving is not None and not self._watch_s:
                return
            await asyncio.sleep(self._watch_s if follows else self._retry_s)

    async def _follow(self) -> bool:
        """Look at the alias, and serve what it points at; returns whether that is served."""
        try:
            live = await self._look()
        except NotReady as error:
            return self._refuse(error)
        except Exception as error:  # the server may be away, and what it has be as it was
            return self._excuse("the alias cannot be looked at", error)
        if self._serving is None or live != self._serving.live:
            try:
                self._replace(await self._open(live))
            except Exception as error:
                return self._refuse(error)
        self._refused, self._said = None, ""
        return True

    async def _look(self) -> Live:
        try:
            live = await self._source.look()
        except NotReady:
            await self._check_served()
            raise
        if self._serving is not None and live != self._serving.live:
            await self._check_served()
        return live

    async def _open(self, live: Live) -> _Serving:
        live.contract.check_encoder(self._bundle, live.collection)
        await self._until_closed()  # it may be the one that was left a moment ago, and locked until closed
        opened = _Serving(await self._source.open())
        try:
            opened.index.contract.check_encoder(self._bundle, opened.index.collection)  # it may have moved once more
            await self._try_out(opened.index)
        except BaseException:
            await self._close(opened)
            raise
        _LOG.info("serving %s: %d passages", opened.index.collection, opened.index.contract.passages)
        return opened

    async def _check_served(self) -> None:
        """Let go of an index whose collection was dropped, or filled anew under its name."""
        if self._serving is None:
            return
        try:
            await self._serving.index.check_intact()
        except NotReady as error:
            self._reason = error
            self._replace(None)
            _LOG.error("not ready: %s", error.message)

    async def _try_out(self, index: PassageIndex) -> None:
        """Ask what callers will ask, so that the first of them waits for nothing; and count."""
        for canary in self._bundle.manifest.canaries:
            if canary.side is Side.QUERY and not await index.query(np.asarray(canary.vector, np.float32), 1):
                raise NotReady(f"{index.collection} finds nothing; load with --rebuild")
        index.contract.check_count(await index.count(), index.collection)

    def _refuse(self, error: Exception) -> bool:
        """What the alias points at is not served."""
        if self._serving is None:
            return self._excuse("not ready", error)
        self._refused = str(error)
        return self._excuse(f"{self._serving.index.collection} goes on, and its successor is refused", error)

    def _excuse(self, outcome: str, error: Exception) -> bool:
        if self._serving is None:
            self._reason = error if isinstance(error, XqgError) else NotReady(f"the index cannot be opened: {error!r}")
        if str(error) != self._said:  # say it once, not every few seconds
            self._said = str(error)
            _LOG.error("%s: %s", outcome, error)
        return False

    def _replace(self, successor: _Serving | None) -> None:
        retired, self._serving = self._serving, successor
        self._refused = None
        if retired is not None:
            self._close_unused(retired)

    def _close_unused(self, serving: _Serving) -> None:
        if serving is not self._serving and not serving.leases:
            task = asyncio.create_task(self._close(serving))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _until_closed(self) -> None:
        if self._closing:
            await asyncio.wait(self._closing)  # which, unlike gather, does not cancel them with this

    async def _close(self, serving: _Serving) -> None:
        if serving.closed:
            return
        serving.closed = True
        try:
            await serving.index.close()
        except Exception:
            _LOG.exception("%s could not be closed", serving.index.collection)
