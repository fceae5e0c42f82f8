"""The endpoint that offers the tools for assistants over HTTP.

Imported only where ``XQG_MCP`` asks for it; needs the extra `mcp`.
"""

from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from app.cors import allowed_origins
from app.errors import ClientGone, OriginRefused
from app.hangup import until_gone
from app.tools import tool_server  # which says what to do where the SDK is not installed

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # isort: skip

PATH = "/mcp"


class McpEndpoint:
    """ASGI app of ``POST /mcp``: streamable HTTP without sessions, so that any replica can answer any request."""

    def __init__(self, app: FastAPI, cors_origins: str) -> None:
        # not as events: sse_starlette ends every stream at the first SIGTERM, though a drain goes on answering
        self._sessions = StreamableHTTPSessionManager(
            tool_server(lambda: app.state.service), json_response=True, stateless=True
        )
        self._origins = allowed_origins(cors_origins)
        self._route = Route(PATH, self, methods=["POST"], include_in_schema=False)
        app.router.routes.append(self._route)

    def running(self) -> AbstractAsyncContextManager[None]:
        """To be entered once, for as long as requests are taken."""
        return self._sessions.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._route  # for metrics and log, as the framework does for its own
        # a page that made its own name point here (DNS rebinding) is same-origin to the browser, so CORS does not help
        origin = Headers(scope=scope).get("origin")
        if origin is not None and not {origin, "*"} & set(self._origins):
            raise OriginRefused(f"pages of {origin} may not use this; XQG_CORS_ORIGINS names those that may")
        unread: list[Message] = [{"type": "http.request", "body": await _body(scope, receive), "more_body": False}]
        answer: list[Message] = []

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        async def keep(message: Message) -> None:
            answer.append(message)

        # the SDK looks for no hang-up while a tool works, and its answers are whole: kept, then sent
        await until_gone(receive, self._sessions.handle_request(scope, replay, keep))
        for message in answer:
            await send(message)


async def _body(scope: Scope, receive: Receive) -> bytes:
    try:
        return await Request(scope, receive).body()
    except ClientDisconnect as error:
        raise ClientGone("the caller hung up before the request was whole") from error
