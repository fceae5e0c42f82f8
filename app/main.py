"""create_app(settings) and its lifespan: the only place that builds things."""

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline

from app import __version__, problems
from app.batcher import MicroBatcher
from app.bundle import Bundle, Side
from app.cores import usable_cores
from app.encoder import OnnxEncoder, Tokens
from app.index import IndexLocation, ServerAccess, check_collection
from app.index.source import index_source
from app.keeper import IndexKeeper
from app.metrics import Metrics
from app.middleware import RequestContext
from app.retriever import Retriever
from app.routes import operation_routes, search_routes
from app.settings import Settings

_DESCRIPTION = """Ask a question in Arabic, Bengali, Finnish, Japanese, Korean, Russian or Telugu; get English passages.

Passage vectors are fused with the vectors of queries generated for them in the seven languages
([xQG](https://arxiv.org/abs/2305.03950)), so recall rises and a search costs no more.
Open `POST /v1/search`, pick an example and press **Execute**."""


def create_app(settings: Settings) -> FastAPI:
    """Build the service.  The encoder is loaded here, the index when the app starts.

    Raises:
        ConfigurationError: settings, bundle or device are not fit to start with.
    """
    location = IndexLocation.parse(settings.index)
    check_collection(settings.collection)
    encoder = OnnxEncoder(Bundle.open(settings.bundle), device=settings.device)
    metrics = Metrics()
    key = settings.qdrant_api_key
    access = ServerAccess(key.get_secret_value() if key else None, settings.qdrant_grpc_port, settings.timeout_s)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher: MicroBatcher[Tokens] = MicroBatcher(
            functools.partial(encoder.encode, side=Side.QUERY),
            threads=settings.encoder_threads or usable_cores(),
            max_batch_tokens=settings.max_batch_tokens,
            max_queue_tokens=settings.max_queue_tokens,
            observer=metrics,
        )
        source = index_source(location, settings.collection, access)
        keeper = IndexKeeper(encoder.bundle, source, retry_s=settings.index_retry_s, watch_s=settings.index_watch_s)
        app.state.retriever = Retriever(encoder, batcher, keeper, settings.timeout_s)
        metrics.ready.set_function(lambda: keeper.is_open)
        metrics.index_refused.set_function(lambda: keeper.refused is not None)
        metrics.index_failing.set_function(lambda: keeper.is_failing)
        batcher.start()
        await keeper.start()
        yield
        await keeper.close()
        await batcher.close()

    app: FastAPI = FastAPIOffline(  # Swagger UI from the package, not from a CDN
        title="xQG cross-lingual retrieval",
        description=_DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        redoc_url=None,
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.draining = False
    app.include_router(search_routes)
    app.include_router(operation_routes)
    app.add_api_route("/", _to_docs, include_in_schema=False)
    problems.install(app)
    app.add_middleware(RequestContext, metrics=metrics, max_body_bytes=settings.max_body_bytes)
    return app


async def _to_docs() -> RedirectResponse:
    return RedirectResponse("docs")
