"""At the door: keys and limits before anything is read, the body's while it is, and an answer whatever happens."""

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import NotReady, RequestTooLarge, TooManyConnections, Unauthorized
from app.keys import ApiKeys
from app.observer import PROBES
from app.problems import log_if_unexpected, problem_from, respond

_WITH_KEY = ("/v1/", "/mcp")


class Guard:
    """ASGI middleware.  ``keys`` is None where the service asks for none."""

    def __init__(self, app: ASGIApp, keys: ApiKeys | None, max_body_bytes: int, body_timeout_s: float) -> None:
        self._app = app
        self._keys = keys
        self._max_body_bytes = max_body_bytes
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        pending = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        received = 0
        started = False
        deadline = asyncio.get_running_loop().time() + self._body_timeout_s

        async def limited_receive() -> Message:
            nonlocal received, pending
            if not pending:
                return await receive()
            # HTTPExceptions, since the framework turns any other error of reading into a 400
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the body did not arrive within {self._body_timeout_s:g} s") from None
            pending = message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                pending = True  # in part unread
                raise HTTPException(413, self._too_large())
            return message

        async def closing_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if pending or scope["state"].get("crowded"):  # nobody will read the rest
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        async def refuse(error: Exception) -> None:
            answer = respond(problem_from(error, request_id), getattr(error, "retry_after_s", None))
            if isinstance(error, Unauthorized):
                answer.headers["WWW-Authenticate"] = 'Bearer realm="xqg"'
            await answer(scope, limited_receive, closing_send)

        request_id = scope["state"]["request_id"]
        try:
            self._admit(scope, headers)
            await self._app(scope, limited_receive, closing_send)
        except asyncio.CancelledError:
            if started or not scope["app"].state.draining:
                raise
            # the time to finish is over
            await refuse(NotReady("the service stopped before this was answered; send it again"))
        except Exception as error:
            log_if_unexpected(error, request_id)
            if started:  # half an answer is out; only a broken connection can say so
                raise
            await refuse(error)

    def _admit(self, scope: Scope, headers: Headers) -> None:
        if scope["state"].get("crowded") and scope["path"] not in PROBES:
            raise TooManyConnections("too many clients are connected; come back later")
        if self._keys is not None and scope["path"].startswith(_WITH_KEY) and not self._keys.accept(headers):
            raise Unauthorized("send a key of this service as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self._max_body_bytes:
            raise RequestTooLarge(self._too_large())

    def _too_large(self) -> str:
        return f"the body is larger than {self._max_body_bytes:,} bytes; send fewer searches at a time"
