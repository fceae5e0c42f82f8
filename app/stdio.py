"""The tools for one assistant, which starts this process and talks to its stdin and stdout."""

import asyncio
import contextlib
import os
import stat
import sys
from typing import cast

from anyio import AsyncFile
from fastapi import FastAPI

from app.errors import ConfigurationError
from app.tools import tool_server  # which says what to do where the SDK is not installed

from mcp.server.stdio import stdio_server  # isort: skip

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
    lines = asyncio.StreamReader(limit=_LONGEST_LINE_BYTES)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    stdin = cast(AsyncFile[str], lines)  # in all that is asked of it: one line after the other
    with contextlib.closing(transport):
        async with app.router.lifespan_context(app), stdio_server(stdin) as (incoming, outgoing):
            server = tool_server(lambda: app.state.service)
            await server.run(incoming, outgoing, server.create_initialization_options())
