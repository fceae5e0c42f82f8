"""IndexKeeper: opens the index, holds it against the encoder, and tries again until both fit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.bundle import Bundle
from app.errors import NotReady, XqgError
from app.index import PassageIndex

_LOG = logging.getLogger(__name__)


class IndexKeeper:
    """Opens an index in the background.

    An index that is missing, unfit or out of reach makes the service not ready, and says why; it
    is tried again until an operator has mended it, with no restart.
    """

    def __init__(self, bundle: Bundle, open_index: Callable[[], Awaitable[PassageIndex]], retry_s: float) -> None:
        self._bundle = bundle
        self._open_index = open_index
        self._retry_s = retry_s
        self._index: PassageIndex | None = None
        self._reason: XqgError = NotReady("the index is being opened")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Try once, then go on in the background where that failed."""
        if not await self._try():
            self._task = asyncio.create_task(self._keep_trying())

    @property
    def index(self) -> PassageIndex:
        """The open index.

        Raises:
            XqgError: why there is none, as the last attempt found (503).
        """
        if self._index is None:
            # a fresh one each time: a raised exception carries the traceback of its request
            raise type(self._reason)(self._reason.message, retry_after_s=self._retry_s)
        return self._index

    @property
    def is_open(self) -> bool:
        return self._index is not None

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._index is not None:
            await self._index.close()
            self._index = None

    async def _keep_trying(self) -> None:
        while True:
            await asyncio.sleep(self._retry_s)
            if await self._try():
                return

    async def _try(self) -> bool:
        try:
            index = await self._open_index()
            try:
                index.contract.check_encoder(self._bundle, index.collection)
            except XqgError:
                await index.close()
                raise
        except Exception as error:
            reason = error if isinstance(error, XqgError) else NotReady(f"the index cannot be opened: {error}")
            if reason.message != self._reason.message:  # say it once, not every few seconds
                _LOG.error("not ready: %s", reason.message)
            self._reason = reason
            return False
        self._index = index
        _LOG.info("serving %s: %d passages", index.collection, index.contract.passages)
        return True
