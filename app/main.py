"""create_app(settings) and its lifespan: the only place that builds things."""

import asyncio
import functools
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline

from app import __version__, cors, docs, openapi, problems, search_page
from app.batcher import MicroBatcher
from app.bundle import Bundle, Side
from app.cores import usable_cores
from app.encoder import OnnxEncoder, Tokens
from app.errors import ConfigurationError
from app.guard import Guard
from app.index import IndexLocation, ServerAccess, check_collection
from app.index.source import index_source
from app.invariance import check_batch_invariance
from app.keeper import START_WAIT_S, IndexKeeper
from app.keys import ApiKeys
from app.metrics import Metrics
from app.middleware import RequestContext
from app.observer import RequestObserver
from app.operation_routes import info_routes, operation_routes
from app.query_cache import QueryCache
from app.retriever import Retriever
from app.search_routes import search_routes
from app.service import Service
from app.settings import Settings
from app.spans import NoSpans
from app.translate import encoder_info

if TYPE_CHECKING:
    from app.mcp import McpEndpoint
    from app.tracing import Tracing

_DESCRIPTION = """Ask a question in Arabic, Bengali, Finnish, Japanese, Korean, Russian or Telugu; get English passages.

Passage vectors are fused with the vectors of queries generated for them in the seven languages
([xQG](https://arxiv.org/abs/2305.03950)), so recall rises and a search costs no more.
Open `POST /v1/search`, pick an example and press **Execute**."""

# the framework would otherwise heed providers and variables that nobody meant for it
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}

_GC_THRESHOLD = 20_000
"""New objects between two looks of the collector, which took 13 % of the event loop's time at the default, 700."""


def create_app(settings: Settings, index_wait_s: float = START_WAIT_S) -> FastAPI:
    """Build the service.  The encoder is loaded here, the index when the app starts.

    Args:
        index_wait_s: how long the start waits for the index before it goes on without.

    Raises:
        ConfigurationError: settings, bundle or device are not fit to start with.
    """
    location = IndexLocation.parse(settings.index)
    check_collection(settings.collection)
    threads = settings.encoder_threads or usable_cores()
    encoder = OnnxEncoder(
        Bundle.open(settings.bundle),
        engine=settings.engine,
        device=settings.device,
        callers=threads,
        threads=settings.batch_threads,
    )
    check_batch_invariance(encoder)
    tracing = _tracing(settings)
    keys = ApiKeys.read(settings.api_keys, settings.api_keys_file)
    metrics = Metrics()
    shown = {"source", "fingerprint", "precision", "engine", "arithmetic", "device"}
    metrics.encoder.info(encoder_info(encoder).model_dump(include=shown))
    metrics.queue_tokens_limit.set(settings.max_queue_tokens)
    key = settings.qdrant_api_key
    access = ServerAccess(key.get_secret_value() if key else None, settings.qdrant_grpc_port, settings.timeout_s)

    async def start(app: FastAPI, parts: AsyncExitStack) -> None:
        if tracing is not None:
            tracing.start()
            parts.push_async_callback(asyncio.to_thread, tracing.close)
        batcher: MicroBatcher[Tokens] = MicroBatcher(
            functools.partial(encoder.encode, side=Side.QUERY),
            threads=threads,
            max_batch_tokens=settings.max_batch_tokens,
            max_queue_tokens=settings.max_queue_tokens,
            observer=metrics,
        )
        source = index_source(location, settings.collection, access)
        keeper = IndexKeeper(encoder.bundle, source, retry_s=settings.index_retry_s, watch_s=settings.index_watch_s)
        cache = QueryCache(settings.query_cache, metrics)
        retriever = Retriever(encoder, batcher, keeper, settings.timeout_s, cache, tracing or NoSpans())
        app.state.service = Service(retriever, settings, metrics)
        metrics.ready.set_function(lambda: keeper.is_open)
        metrics.follow(lambda: keeper.index if keeper.is_open else None)
        metrics.index_refused.set_function(lambda: keeper.refused is not None)
        metrics.index_failing.set_function(lambda: keeper.is_failing)
        metrics.index_calls_in_flight.set_function(lambda: keeper.calls_in_flight)
        parts.push_async_callback(batcher.close)
        batcher.start()
        parts.push_async_callback(keeper.close)
        await keeper.start(index_wait_s)
        if mcp is not None:
            await parts.enter_async_context(mcp.running())
        parts.enter_context(_spared_collector())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as parts:  # each is closed, whatever becomes of the others
            await start(app, parts)
            yield

    app: FastAPI = FastAPIOffline(  # Swagger UI from the package, not from a CDN
        telemetry={**_NO_TELEMETRY, **(tracing.telemetry if tracing is not None else {})},
        title="xQG cross-lingual retrieval",
        description=_DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # to an absolute address, which loses the prefix and the TLS of a proxy
        responses=openapi.COMMON_PROBLEMS,
        servers=[{"url": ".", "description": "This service, under whatever prefix a proxy adds"}],
    )
    app.state.metrics = metrics
    app.state.draining = False
    with_key = openapi.with_key() if keys else {}
    app.include_router(search_routes, **with_key)
    app.include_router(info_routes, **with_key)
    app.include_router(operation_routes)
    search_page.install(app)
    mcp = _mcp(app, settings)
    docs.install(app)
    openapi.install(app, settings.max_query_chars)
    problems.install(app)
    # the last is the outermost: even a refusal has its id and what a browser needs to read it
    app.add_middleware(
        Guard, keys=keys, max_body_bytes=settings.max_body_bytes, body_timeout_s=settings.client_timeout_s
    )
    cors.install(app, settings.cors_origins)
    app.add_middleware(RequestContext)
    app.add_middleware(RequestObserver, metrics=metrics)
    return app


@contextmanager
def _spared_collector() -> Iterator[None]:
    """What lives as long as the service need not be looked through again and again; at its end it is let go."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def _tracing(settings: Settings) -> "Tracing | None":
    if not settings.otel:
        return None
    try:
        from app.tracing import Tracing
    except ImportError as error:
        raise ConfigurationError(
            f"XQG_OTEL is set, but {error.name} is not installed; install the extra `otel`, or unset it"
        ) from error
    return Tracing(log_queries=settings.log_queries)


def _mcp(app: FastAPI, settings: Settings) -> "McpEndpoint | None":
    if not settings.mcp:
        return None
    from app.mcp import McpEndpoint  # an extra

    return McpEndpoint(app, settings.cors_origins)
