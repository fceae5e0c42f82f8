"""The outermost middleware: counts, times and logs every request."""

import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics

_LOG = logging.getLogger(__name__)
PROBES = ("/healthz", "/readyz", "/metrics")
"""Routes that machines ask all the time: logged for those who debug, and not traced."""


class RequestObserver:
    """ASGI middleware.  Gives inner layers a place for what they know of the request.

    ``scope["state"]["facts"]`` is a dict that ends as fields of the request's one log line:
    language, hits, the type of a problem.  Header values and, unless asked for, query texts have
    no place in it.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts: dict[str, Any] = {}
        scope.setdefault("state", {})["facts"] = facts
        status = 500

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_flight.inc()
        began = time.perf_counter()
        try:
            await self._app(scope, receive, noting_send)
        finally:
            took_s = time.perf_counter() - began
            self._metrics.in_flight.dec()
            route = getattr(scope.get("route"), "path", "other")  # the pattern, never what a caller made up
            self._metrics.observe_request(scope["method"], route, status, took_s)
            if "problem" in facts:
                self._metrics.rejections.labels(facts["problem"]).inc()
            level = logging.DEBUG if route in PROBES else logging.INFO
            if _LOG.isEnabledFor(level):
                fields = {"method": scope["method"], "route": route, "status": status}
                fields |= {"duration_ms": round(1e3 * took_s, 3)} | facts
                _LOG.log(level, "%s %s %d", scope["method"], route, status, extra=fields)
