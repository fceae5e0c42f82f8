"""Searches and passages over HTTP: translate and delegate."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import SkipJsonSchema

from app import examples, schemas
from app.errors import InvalidRequest
from app.fields import LanguageTag, QueryText, SpelledBool
from app.hangup import until_gone
from app.languages import language_label
from app.openapi import problem
from app.schemas import SearchRequest, SearchResponse
from app.service import Service, ServiceDep, not_found
from app.translate import matched_models, server_timing

_UNPROCESSABLE = problem("A field is missing or out of range; `errors` names each.")
_NO_PASSAGE = problem("No such passage.")
_LATE = problem("The search took longer than the time limit.", temporary=True)
_SEARCH_PROBLEMS: dict[int | str, dict[str, Any]] = {
    422: _UNPROCESSABLE,
    429: problem("The queue is full; come back after `Retry-After` seconds.", temporary=True),
    504: _LATE,
}

search_routes = APIRouter(prefix="/v1", tags=["search"])


async def _answer(body: SearchRequest, request: Request, service: Service) -> Response:
    """The one search of a request."""
    facts: dict[str, Any] = request.state.facts
    facts.update(lang=language_label(body.lang, body.query), top_k=body.top_k)
    if service.settings.log_queries:
        facts["query"] = body.query
    answer = await until_gone(request.receive, service.answer(body, request.state.request_id))
    facts["hits"] = len(answer.hits)
    response = _json(answer)
    response.headers["Server-Timing"] = server_timing(answer.timings_ms)
    return response


def _json(model: BaseModel) -> Response:
    """What was validated when it was built goes out as it is; the framework would validate it again."""
    return Response(model.model_dump_json(exclude_none=True), media_type="application/json")


@search_routes.post(
    "/search", response_model=SearchResponse, responses=_SEARCH_PROBLEMS, summary="Find passages for a question"
)
async def search(
    body: Annotated[SearchRequest, Body(openapi_examples=examples.SEARCHES)],
    request: Request,
    service: ServiceDep,
) -> Response:
    """Ask in Arabic, Bengali, Finnish, Japanese, Korean, Russian or Telugu; get English passages."""
    return await _answer(body, request, service)


@search_routes.get("/search", response_model=SearchResponse, responses=_SEARCH_PROBLEMS, summary="The same by GET")
async def search_by_get(
    request: Request,
    service: ServiceDep,
    q: Annotated[QueryText, Query(description="The question.", openapi_examples=examples.GET_QUESTIONS)],
    top_k: Annotated[int, Query(ge=1, le=100)] = 10,
    lang: Annotated[LanguageTag | SkipJsonSchema[None], Query()] = None,
    filter: Annotated[str | SkipJsonSchema[None], Query(description="The filter as JSON.")] = None,
    min_score: Annotated[float | SkipJsonSchema[None], Query(allow_inf_nan=False)] = None,
    explain: SpelledBool = False,
) -> Response:
    """The parameters are the fields of the POST body; `q` is its `query`."""
    try:
        conditions = {} if filter is None else json.loads(filter)
    except (ValueError, RecursionError) as error:  # not JSON, or JSON of thousands of digits or levels
        raise InvalidRequest('filter: not valid JSON; write filter={"topic":"Arts"}, URL-encoded') from error
    fields = {
        "query": q,
        "top_k": top_k,
        "lang": lang,
        "filter": conditions,
        "min_score": min_score,
        "explain": explain,
    }
    try:
        body = SearchRequest.model_validate(fields)
    except ValidationError as error:
        errors = [each | {"loc": ("query", *each["loc"])} for each in error.errors(include_context=False)]
        raise RequestValidationError(errors) from error
    return await _answer(body, request, service)


@search_routes.post(
    "/search/batch",
    response_model=schemas.BatchResponse,
    responses=_SEARCH_PROBLEMS,
    summary="Several searches at once",
)
async def search_batch(body: schemas.BatchRequest, request: Request, service: ServiceDep) -> Response:
    """One result or one error per search, in order; one bad search does not fail the others."""
    request_id = request.state.request_id

    async def every() -> list[schemas.BatchItem]:
        each = (service.outcome(fields, request_id) for fields in body.searches)
        return list(await asyncio.gather(*each))

    results = await until_gone(request.receive, every())
    request.state.facts.update(searches=len(results), failed=sum(item.error is not None for item in results))
    return _json(schemas.BatchResponse(results=results, request_id=request_id))


@search_routes.post(
    "/explain",
    response_model=schemas.ExplainResponse,
    responses={404: _NO_PASSAGE, **_SEARCH_PROBLEMS},
    summary="Why a passage came back",
)
async def explain(body: schemas.ExplainRequest, request: Request, service: ServiceDep) -> Response:
    """The passage's generated queries, closest to the question first: for one hit, when somebody asks.

    `explain` in a search does the same for its first hits at once, which takes a dozen embeddings each.
    """
    service.check_length(body.query)
    lang = language_label(body.lang, body.query)
    request.state.facts["lang"] = lang
    matched = await until_gone(request.receive, service.retriever.explain(body.query, body.docid))
    if matched is None:
        raise not_found(body.docid)
    return _json(
        schemas.ExplainResponse(
            query=body.query,
            docid=body.docid,
            lang=lang,
            matched_queries=matched_models(matched),
            request_id=request.state.request_id,
        )
    )


@search_routes.get(
    "/passages/{docid:path}",
    responses={404: _NO_PASSAGE, 422: _UNPROCESSABLE, 504: _LATE},
    summary="A passage by its docid",
)
async def passage(
    docid: Annotated[str, Path(description="As in a hit.", openapi_examples={"demo": {"value": examples.DOCID}})],
    request: Request,
    service: ServiceDep,
) -> schemas.PassageModel:
    return await until_gone(request.receive, service.passage(docid))
