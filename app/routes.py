"""HTTP only: translate and delegate."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import onnxruntime
from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError

from app import __version__, schemas
from app.errors import ClientGone, InvalidRequest, NotReady, PassageNotFound, XqgError
from app.metrics import Metrics
from app.problems import log_if_unexpected, problem_from, problem_from_validation
from app.retriever import Retriever
from app.schemas import SearchRequest, SearchResponse
from app.settings import Settings
from app.translate import encoder_info, index_info, to_response, to_search

T = TypeVar("T")

_PROBLEM = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemModel"}}}}
_SEARCH_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: _PROBLEM | {"description": "The body is not JSON."},
    413: _PROBLEM | {"description": "The body is too large."},
    422: _PROBLEM | {"description": "A field is missing or out of range; `errors` names each."},
    429: _PROBLEM | {"description": "The queue is full; come back after `Retry-After` seconds."},
    503: _PROBLEM | {"description": "No index that belongs to the encoder is open, or it does not answer."},
    504: _PROBLEM | {"description": "The search took longer than the time limit."},
}


def get_retriever(request: Request) -> Retriever:
    retriever: Retriever = request.app.state.retriever
    return retriever


def get_settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def get_metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


RetrieverDep = Annotated[Retriever, Depends(get_retriever)]
SettingsDep = Annotated[Settings, Depends(get_settings)]
MetricsDep = Annotated[Metrics, Depends(get_metrics)]

search_routes = APIRouter(prefix="/v1", tags=["search"])
operation_routes = APIRouter(tags=["operation"])


async def until_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await the work, but drop it when the caller hangs up: nobody waits for the answer."""
    worker = asyncio.ensure_future(work)

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        worker.cancel()

    watcher = asyncio.ensure_future(gone())
    try:
        return await worker
    except asyncio.CancelledError as error:
        if watcher.done():
            raise ClientGone("the caller hung up before the answer") from error
        if request.app.state.draining:  # the time to finish is over
            raise NotReady("the service stopped before this was answered; send it again") from error
        raise
    finally:
        watcher.cancel()
        worker.cancel()


async def _search(
    body: SearchRequest, request: Request, retriever: Retriever, settings: Settings, metrics: Metrics
) -> SearchResponse:
    if len(body.query) > settings.max_query_chars:
        raise InvalidRequest(f"query: longer than {settings.max_query_chars:,} characters; ask a shorter question")
    result = await retriever.search(to_search(body))
    metrics.observe_search(body.lang, result)
    return to_response(body.query, result, retriever, request.state.request_id)


@search_routes.post(
    "/search", responses=_SEARCH_PROBLEMS, response_model_exclude_none=True, summary="Find passages for a question"
)
async def search(
    body: Annotated[SearchRequest, Body(openapi_examples=schemas.SEARCH_EXAMPLES)],
    request: Request,
    retriever: RetrieverDep,
    settings: SettingsDep,
    metrics: MetricsDep,
) -> SearchResponse:
    """Ask in Arabic, Bengali, Finnish, Japanese, Korean, Russian or Telugu; get English passages."""
    return await until_gone(request, _search(body, request, retriever, settings, metrics))


@search_routes.get("/search", responses=_SEARCH_PROBLEMS, response_model_exclude_none=True, summary="The same by GET")
async def search_by_get(
    request: Request,
    retriever: RetrieverDep,
    settings: SettingsDep,
    metrics: MetricsDep,
    q: Annotated[str, Query(description="The question.", examples=[schemas.LANGUAGES[-1].example])],
    top_k: Annotated[int, Query(ge=1, le=100)] = 10,
    lang: str | None = None,
    filter: Annotated[str | None, Query(description="The filter as JSON.")] = None,
    min_score: float | None = None,
    explain: bool = False,
) -> SearchResponse:
    """The parameters are the fields of the POST body; `q` is its `query`."""
    try:
        conditions = json.loads(filter) if filter else {}
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
    return await until_gone(request, _search(body, request, retriever, settings, metrics))


@search_routes.post(
    "/search/batch", responses=_SEARCH_PROBLEMS, response_model_exclude_none=True, summary="Several searches at once"
)
async def search_batch(
    body: schemas.BatchRequest, request: Request, retriever: RetrieverDep, settings: SettingsDep, metrics: MetricsDep
) -> schemas.BatchResponse:
    """One result or one error per search, in order; one bad search does not fail the others."""
    request_id = request.state.request_id

    async def one(fields: dict[str, Any]) -> schemas.BatchItem:
        try:
            item = SearchRequest.model_validate(fields)
            return schemas.BatchItem(result=await _search(item, request, retriever, settings, metrics))
        except ValidationError as error:
            return schemas.BatchItem(error=problem_from_validation(error, request_id))
        except Exception as error:
            log_if_unexpected(error, request_id)
            return schemas.BatchItem(error=problem_from(error, request_id))

    async def every() -> list[schemas.BatchItem]:
        return list(await asyncio.gather(*map(one, body.searches)))

    return schemas.BatchResponse(results=await until_gone(request, every()), request_id=request_id)


@search_routes.get(
    "/passages/{docid:path}",
    responses={404: _PROBLEM | {"description": "No such passage."}, 503: _SEARCH_PROBLEMS[503]},
    summary="A passage by its docid",
)
async def passage(docid: str, request: Request, retriever: RetrieverDep) -> schemas.PassageModel:
    found = await until_gone(request, retriever.passage(docid))
    if found is None:
        raise PassageNotFound(f"the index has no passage {docid!r}; docids are case-sensitive")
    return schemas.PassageModel(
        docid=found.docid,
        title=found.title,
        text=found.text,
        metadata=dict(found.metadata),
        generated_queries=dict(found.generated_queries),
    )


@operation_routes.get("/v1/info", summary="What runs here")
async def info(retriever: RetrieverDep, settings: SettingsDep) -> schemas.Info:
    try:
        index = index_info(retriever.index)
    except XqgError:
        index = None
    limits = ("max_batch_tokens", "max_queue_tokens", "max_query_chars", "max_body_bytes", "timeout_s")
    return schemas.Info(
        version=__version__,
        encoder=encoder_info(retriever.encoder, f"onnxruntime {onnxruntime.__version__}"),
        index=index,
        index_refused=retriever.index_refused,
        limits={name: getattr(settings, name) for name in limits},
    )


@operation_routes.head("/healthz", include_in_schema=False)
@operation_routes.get("/healthz", summary="The process lives")
async def healthz() -> schemas.Health:
    return schemas.Health()


@operation_routes.head("/readyz", include_in_schema=False)
@operation_routes.get("/readyz", responses={503: _SEARCH_PROBLEMS[503]}, summary="Searches can be answered")
async def readyz(request: Request, retriever: RetrieverDep) -> schemas.Readiness:
    """Embeds a canary and asks the index."""
    if request.app.state.draining:
        raise NotReady("the service is stopping; send requests elsewhere")
    count = await retriever.check_ready()
    return schemas.Readiness(collection=retriever.index.collection, passages=count)


@operation_routes.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def prometheus(metrics: MetricsDep) -> Response:
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
