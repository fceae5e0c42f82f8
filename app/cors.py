"""Pages of other origins that may call from a browser: none, unless the operator names them."""

import re

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app.errors import ConfigurationError

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](:\d{1,5})?")


def install(app: FastAPI, origins: str) -> None:
    """Allow the comma-separated origins.

    Cookies are never allowed: a key goes in a header, which a page must hold to send.

    Raises:
        ConfigurationError: one of them is no origin.
    """
    allowed = [origin.strip() for origin in origins.split(",") if origin.strip()]
    for origin in allowed:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(
                f"XQG_CORS_ORIGINS: {origin!r} is no origin; write scheme and host alone, as https://search.example"
            )
    if allowed:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "traceparent", "tracestate"],
            expose_headers=["X-Request-ID", "Retry-After", "Server-Timing"],
        )
