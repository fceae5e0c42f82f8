"""The tools for one assistant, which starts this process and talks to its stdin and stdout."""

import asyncio
import contextlib
import logging
import os
import stat
import sys
from collections.abc import AsyncIterator
from typing import cast

from anyio import AsyncFile
from fastapi import FastAPI

from app.errors import ConfigurationError
from app.tools import tool_server  # which says what to do where the SDK is not installed

from mcp.server.stdio import stdio_server  # isort: skip

_LOG = logging.getLogger(__name__)
_LONGEST_LINE_BYTES = 4 * 1024 * 1024  # what the SDK takes over HTTP


async def serve_stdio(app: FastAPI) -> None:
    """Answer until the assistant closes stdin.

    Raises:
        ConfigurationError: nobody can talk to this stdin.
    """
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty()):
        raise ConfigurationError(
            "--stdio answers an assistant over a pipe, and stdin is none; let the assistant start it"
        )
    # the SDK would read in a thread, which no signal can call back from a stdin that stays open
    reader = asyncio.StreamReader(limit=_LONGEST_LINE_BYTES)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    stdin = cast(AsyncFile[str], _lines(reader))  # in all that is asked of it: one line after the other
    with contextlib.closing(transport):
        async with app.router.lifespan_context(app), stdio_server(stdin) as (incoming, outgoing):
            server = tool_server(lambda: app.state.service)
            await server.run(incoming, outgoing, server.create_initialization_options())


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """One after the other.  Of one that is too long the SDK gets a rest at most, and passes over what is no JSON."""
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            _LOG.warning("a message of more than %d bytes is passed over", _LONGEST_LINE_BYTES)
            continue
        if not line:
            return
        yield line
