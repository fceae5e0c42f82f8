"""Search and passages as tools for assistants (Model Context Protocol), however they are reached.

Imported only where ``XQG_MCP`` or ``--stdio`` asks for it; needs the extra `mcp`.
"""

import copy
import uuid
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app import __version__
from app.errors import ConfigurationError, XqgError
from app.examples import DOCID
from app.fields import Docid
from app.logs import REQUEST_ID
from app.schemas import HitModel, SearchRequest
from app.service import Service

try:
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server
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

_SEARCH = """Find English passages that answer a question.

Ask in Arabic, Bengali, Finnish, Japanese, Korean, Russian or Telugu, as the person did: do not translate first.
Hits come closest first, each with its whole text; a score says how close, and there may be hits that do not answer
the question."""
_PASSAGE = """Read one English passage by its docid, as an earlier hit or a person named it.

The hits of a search have their whole text already: there is no need to read them again."""

_READ_ONLY = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_Context = ServerRequestContext[Any, Any]


class Found(BaseModel):
    """What an assistant reads: the hits, without what operators measure."""

    hits: list[HitModel]
    truncated: bool = Field(description="The question was longer than the encoder reads, and was cut.")
    request_id: str


class PassageRequest(BaseModel):
    """Which passage to read."""

    model_config = ConfigDict(extra="forbid", strict=True)

    docid: Docid = Field(description="As in a hit; case counts.", examples=[DOCID])


class PassageRead(BaseModel):
    """A passage without its generated queries, which nobody wrote: `explain` in a search shows those that matter."""

    docid: str
    title: str
    text: str
    metadata: dict[str, Any]
    request_id: str


# made once: the SDK lists the tools anew for every call of one, and pydantic takes milliseconds for a schema
_SEARCH_SCHEMA = SearchRequest.model_json_schema()
_FOUND_SCHEMA = Found.model_json_schema()
_PASSAGE_TOOL = Tool(
    name="passage",
    title="Read a passage",
    description=_PASSAGE,
    input_schema=PassageRequest.model_json_schema(),
    output_schema=PassageRead.model_json_schema(),
    annotations=_READ_ONLY,
)


def tool_server(service_of: Callable[[], Service]) -> Server[Any]:
    """A server with both tools; ``service_of`` is asked at each call."""

    async def list_tools(context: _Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_search_tool(service_of()), _PASSAGE_TOOL])

    async def call_tool(context: _Context, params: CallToolRequestParams) -> CallToolResult:
        answer = {"search": _search, "passage": _passage}.get(params.name)
        if answer is None:
            raise MCPError(INVALID_PARAMS, f"there is no tool {params.name!r}; there are 'search' and 'passage'")
        service = service_of()
        request_id = REQUEST_ID.get() or uuid.uuid4().hex
        try:
            return _answered(await answer(service, params.arguments or {}, request_id))
        except Exception as error:  # as the routes do; the model is told, and may then ask better
            problem = service.problem(error, request_id)
            text = f"{problem.title}: {problem.detail} (request {request_id})"
            return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)

    return Server(
        "xqg",
        version=__version__,
        title="xQG cross-lingual retrieval",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _search_tool(service: Service) -> Tool:
    schema = copy.deepcopy(_SEARCH_SCHEMA)
    schema["properties"]["query"]["maxLength"] = service.settings.max_query_chars
    try:
        fields = service.retriever.index.contract.fields
    except XqgError:  # none is open; a search will say so
        fields = {}
    named = ", ".join(f"{name} ({kind})" for name, kind in sorted(fields.items())) or "none"
    conditions = schema["properties"]["filter"]
    # an assistant has the tools alone, no routes
    conditions["description"] = conditions["description"].replace(
        "`/v1/info` lists the fields.", f"Fields now: {named}."
    )
    return Tool(
        name="search",
        title="Search the passages",
        description=_SEARCH,
        input_schema=schema,
        output_schema=_FOUND_SCHEMA,
        annotations=_READ_ONLY,
    )


async def _search(service: Service, arguments: dict[str, Any], request_id: str) -> BaseModel:
    answer = await service.answer(SearchRequest.model_validate(arguments), request_id)
    return Found(hits=answer.hits, truncated=answer.truncated, request_id=request_id)


async def _passage(service: Service, arguments: dict[str, Any], request_id: str) -> BaseModel:
    found = await service.passage(PassageRequest.model_validate(arguments).docid)
    return PassageRead(**found.model_dump(exclude={"generated_queries"}), request_id=request_id)


def _answered(answer: BaseModel) -> CallToolResult:
    """Structured, and as text for clients that read that alone."""
    return CallToolResult(
        content=[TextContent(type="text", text=answer.model_dump_json(exclude_none=True))],
        structured_content=answer.model_dump(mode="json", exclude_none=True),
    )
