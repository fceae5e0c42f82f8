"""``python -m app``: serve with uvicorn on ``XQG_HOST`` and ``XQG_PORT``."""

import logging
import signal
import sys

import uvicorn

from app.errors import XqgError
from app.main import create_app
from app.server import server_options
from app.settings import Settings


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
    uvicorn.run(app, **server_options(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
