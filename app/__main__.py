"""``python -m app``: serve with uvicorn on ``XQG_HOST`` and ``XQG_PORT``."""

import contextlib
import logging
import signal
import sys

import uvicorn

from app.drain import DrainingServer
from app.errors import XqgError
from app.main import create_app
from app.settings import Settings

_STARTUP_FAILURE = 3  # what uvicorn's own command exits with


def main() -> int:
    # uvicorn drains on SIGTERM, then raises it again: this makes an ordered end exit 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line per call to Qdrant
    try:
        settings = Settings.read()
        app = create_app(settings)
    except XqgError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=settings.drain_s,
        server_header=False,
        access_log=False,
        log_config=None,
    )
    server = DrainingServer(config, app, settings.drain_delay_s)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C, raised again once drained
        server.run()
    return 0 if server.started else _STARTUP_FAILURE


if __name__ == "__main__":
    sys.exit(main())
