"""The search as a tool for assistants (Model Context Protocol), and the endpoint that offers it over HTTP.

Imported only where ``XQG_MCP`` or ``--stdio`` asks for it; needs the extra `mcp`.
"""

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app import __version__
from app.cors import allowed_origins
from app.errors import ConfigurationError, OriginRefused, XqgError
from app.logs import REQUEST_ID
from app.schemas import HitModel, SearchRequest
from app.service import Service

try:
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from mcp.shared.exceptions import MCPError
    from mcp.types import (
        INVALID_PARAMS,
        CallToolRequestParams,
        CallToolResult,
        ListToolsResult,
        PaginatedRequestParams,
        TextContent,
        Tool,
        ToolAnnotations,
    )
except ImportError as error:
    raise ConfigurationError(
        f"tools for assistants need {error.name}, which is not installed; pip install 'xqg[mcp]'"
    ) from error

PATH = "/mcp"
_NAME = "search"
_DESCRIPTION = """Find English passages that answer a question.

Ask in Arabic, Bengali, Finnish, Japanese, Korean, Russian or Telugu, as the person did: do not translate first.
Hits come closest first; a score says how close, and there may be hits that do not answer the question."""

_Context = ServerRequestContext[Any, Any]


class Found(BaseModel):
    """What an assistant reads: the hits, without what operators measure."""

    hits: list[HitModel]
    truncated: bool = Field(description="The question was longer than the encoder reads, and was cut.")
    request_id: str


def tool_server(service_of: Callable[[], Service]) -> Server[Any]:
    """A server with the one tool; ``service_of`` is asked at each call."""

    async def list_tools(context: _Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_tool(service_of())])

    async def call_tool(context: _Context, params: CallToolRequestParams) -> CallToolResult:
        if params.name != _NAME:
            raise MCPError(INVALID_PARAMS, f"there is no tool {params.name!r}; the one here is {_NAME!r}")
        return await _call(service_of(), params.arguments or {})

    return Server(
        "xqg",
        version=__version__,
        title="xQG cross-lingual retrieval",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _tool(service: Service) -> Tool:
    schema = SearchRequest.model_json_schema()
    schema["properties"]["query"]["maxLength"] = service.settings.max_query_chars
    try:
        fields = service.retriever.index.contract.fields
    except XqgError:  # none is open; a search will say so
        fields = {}
    named = ", ".join(f"{name} ({kind})" for name, kind in sorted(fields.items())) or "none"
    schema["properties"]["filter"]["description"] += f" Fields now: {named}."
    return Tool(
        name=_NAME,
        title="Search the passages",
        description=_DESCRIPTION,
        input_schema=schema,
        output_schema=Found.model_json_schema(),
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    )


async def _call(service: Service, arguments: dict[str, Any]) -> CallToolResult:
    """Answer as the routes do; what is refused is told to the model, which may then ask better."""
    request_id = REQUEST_ID.get() or uuid.uuid4().hex
    outcome = await service.outcome(arguments, request_id, may_explain=True)
    if outcome.result is None:
        assert outcome.error is not None
        text = f"{outcome.error.title}: {outcome.error.detail} (request {request_id})"
        return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
    found = Found(hits=outcome.result.hits, truncated=outcome.result.truncated, request_id=request_id)
    return CallToolResult(
        content=[TextContent(type="text", text=found.model_dump_json(exclude_none=True))],
        structured_content=found.model_dump(mode="json", exclude_none=True),
    )


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
        await self._sessions.handle_request(scope, receive, send)
