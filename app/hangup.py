"""Work is dropped once its caller has hung up: nobody waits for the answer."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.types import Receive

from app.errors import ClientGone

T = TypeVar("T")


async def until_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Await the work, which sends nothing itself, for as long as the caller is there.

    Args:
        receive: of the request, after its body was read.

    Raises:
        ClientGone: the caller hung up.
    """
    worker = asyncio.ensure_future(work)
    hung_up = False

    async def gone() -> None:
        nonlocal hung_up
        with contextlib.suppress(HTTPException):  # a body that nobody asked for, and too much of it
            while (await receive())["type"] != "http.disconnect":
                pass
            hung_up = True
            worker.cancel()

    watcher = asyncio.ensure_future(gone())
    try:
        return await worker
    except asyncio.CancelledError as error:
        if hung_up:
            raise ClientGone("the caller hung up before the answer") from error
        raise
    finally:
        watcher.cancel()
        worker.cancel()
