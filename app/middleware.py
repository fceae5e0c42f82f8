"""Around every request: an id, a limit on the body, and an answer whatever happens."""

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.logs import REQUEST_ID
from app.problems import log_if_unexpected, problem_from, respond

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestContext:
    """ASGI middleware.  Takes the caller's ``X-Request-ID`` if it is harmless, else makes one."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        REQUEST_ID.set(request_id)
        received = 0
        started = False

        async def limited_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                # an HTTPException, since the framework turns any other error of reading into a 400
                raise HTTPException(
                    413, f"the body is larger than {self._max_body_bytes:,} bytes; send fewer searches at a time"
                )
            return message

        async def marked_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(scope, limited_receive, marked_send)
        except Exception as error:
            log_if_unexpected(error, request_id)
            if started:  # half an answer is out; only a broken connection can say so
                raise
            await respond(problem_from(error, request_id))(scope, receive, marked_send)
