"""How uvicorn runs the service, here and in the tests."""

import functools
from typing import Any

from app.http11 import BoundedHttp
from app.limits import HttpLimits
from app.metrics import Metrics
from app.settings import Settings


def server_options(settings: Settings, metrics: Metrics) -> dict[str, Any]:
    """Options of ``uvicorn.run`` and ``uvicorn.Config``."""
    limits = HttpLimits(
        url_bytes=settings.max_url_bytes,
        header_bytes=settings.max_header_bytes,
        connections=settings.max_connections,
        timeout_s=settings.client_timeout_s,
    )
    return {
        "host": settings.host,
        "port": settings.port,
        # named, not "auto", which would fall back to slower ones in silence
        "loop": "uvloop",
        "http": functools.partial(BoundedHttp, limits=limits, refused=metrics.refused),
        "ws": "none",
        "lifespan": "on",
        "timeout_keep_alive": settings.keep_alive_s,
        "timeout_graceful_shutdown": settings.drain_s,
        "server_header": False,
        "access_log": False,
        "log_config": None,
    }
