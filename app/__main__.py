"""``python -m app``: serve with uvicorn on ``XQG_HOST`` and ``XQG_PORT``."""

import argparse
import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import threading

import uvicorn
from fastapi import FastAPI

from app import __version__, logs
from app.batcher import ENCODER_THREADS
from app.describe import settings_help
from app.drain import DrainingServer
from app.errors import XqgError
from app.main import create_app
from app.server import server_options
from app.settings import Settings

_STARTUP_FAILURE = 3  # what uvicorn's own command exits with
_HANGS_AFTER_S = 1.0


def main() -> int:
    arguments = _parser().parse_args()
    # uvicorn drains on SIGTERM, then raises it again: this makes an ordered end exit 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = Settings.read()
        logs.configure(settings.log_format, settings.log_level)
        if arguments.check:
            print(asyncio.run(_check(create_app(settings, index_wait_s=settings.timeout_s))))
            return 0
        app = create_app(settings)
        if arguments.stdio:
            return _serve_stdio(app)
    except XqgError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code
    config = uvicorn.Config(app, **server_options(settings, app.state.metrics))
    server = DrainingServer(config, app, settings.drain_delay_s)
    try:
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C, raised again once drained
            server.run()
    finally:  # after SIGTERM by way of SystemExit
        code = 0 if server.started else _STARTUP_FAILURE
        _leave_behind_what_hangs(code)
    return code


def _leave_behind_what_hangs(code: int) -> None:
    """Python would wait for an encoder's thread that never ends, until somebody kills the process."""
    for thread in threading.enumerate():
        if thread.name.startswith(ENCODER_THREADS):
            thread.join(_HANGS_AFTER_S)
            if thread.is_alive():
                logging.getLogger(__name__).error("an encoder thread hangs; it is left behind")
                logging.shutdown()
                os._exit(code)


def _serve_stdio(app: FastAPI) -> int:
    """Serve one assistant, which ends it by closing stdin.

    Raises:
        ConfigurationError: the extra `mcp` is not installed, or nobody can talk to this stdin.
    """
    from app.stdio import serve_stdio  # an extra

    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve_stdio(app))
    except* BrokenPipeError:  # the assistant went away before its answer
        pass
    finally:
        _leave_behind_what_hangs(0)
    return 0


async def _check(app: FastAPI) -> str:
    """What readiness asks of a running service, without a socket.

    Raises:
        XqgError: what does not hold.
    """
    async with app.router.lifespan_context(app):
        retriever = app.state.service.retriever
        passages = await retriever.check_ready()
        encoder = retriever.encoder.bundle
        return (
            f"ok: {retriever.index.collection} has {passages:,} passages and belongs to the encoder "
            f"{encoder.encoder.source} ({encoder.fingerprint[:12]})"
        )


def _parser() -> argparse.ArgumentParser:
    width = min(100, max(60, shutil.get_terminal_size().columns))
    parser = argparse.ArgumentParser(
        prog="python -m app",
        description="Serve cross-lingual retrieval over HTTP.  Settings are environment variables.",
        epilog=f"{settings_help(width)}\n\nExit codes: 0 in order, 2 settings, bundle or device not fit,\n"
        "3 no port to listen on, 1 any other.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"xqg {__version__}")
    parser.add_argument(
        "--check",
        action="store_true",
        help="check settings, bundle and index as readiness does, print the result and end; 0 if all is well",
    )
    parser.add_argument(
        "--stdio",
        action="store_true",
        help="serve one assistant over stdin and stdout (Model Context Protocol) instead of HTTP; needs the extra mcp",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
