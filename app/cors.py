"""Pages of other origins that may call from a browser: none, unless the operator names them."""

import re
from http import HTTPStatus

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from app.errors import ConfigurationError, CorsRefused
from app.logs import REQUEST_ID
from app.problems import problem_from, respond

_HEADERS = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "traceparent", "tracestate")
_MCP_HEADERS = ("MCP-Protocol-Version", "Mcp-Session-Id", "Mcp-Method", "Mcp-Name")
"""What clients of the Model Context Protocol send, of 2025 and of 2026; ``/v1`` reads none of them."""
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](:\d{1,5})?")


class _Cors(CORSMiddleware):
    """Refuses a preflight with a problem document."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == HTTPStatus.OK:
            return answer
        error = CorsRefused(f"{bytes(answer.body).decode()}; pages of the origins in XQG_CORS_ORIGINS may GET and POST")
        refusal = respond(problem_from(error, REQUEST_ID.get() or ""))
        own = ("content-type", "content-length")
        refusal.headers.update({name: value for name, value in answer.headers.items() if name not in own})
        return refusal


def allowed_origins(origins: str) -> list[str]:
    """The comma-separated origins."""
    return [origin.strip() for origin in origins.split(",") if origin.strip()]


def install(app: FastAPI, origins: str) -> None:
    """Allow the comma-separated origins.

    Cookies are never allowed: a key goes in a header, which a page must hold to send.

    Raises:
        ConfigurationError: one of them is no origin.
    """
    allowed = allowed_origins(origins)
    for origin in allowed:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(
                f"XQG_CORS_ORIGINS: {origin!r} is no origin; write scheme and host alone, as https://search.example"
            )
    if allowed:
        app.add_middleware(
            _Cors,
            allow_origins=allowed,
            allow_methods=["GET", "POST"],
            allow_headers=[*_HEADERS, *_MCP_HEADERS],
            expose_headers=["X-Request-ID", "Retry-After", "Server-Timing"],
        )
