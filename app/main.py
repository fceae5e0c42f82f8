"""create_app(settings) and its lifespan: the only place that builds things."""

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline

from app import __version__, cors, docs, openapi, problems
from app.batcher import MicroBatcher
from app.bundle import Bundle, Side
from app.cores import usable_cores
from app.encoder import OnnxEncoder, Tokens
from app.guard import Guard
from app.index import IndexLocation, ServerAccess, check_collection, open_index
from app.keeper import IndexKeeper
from app.keys import ApiKeys
from app.metrics import Metrics
from app.middleware import RequestContext
from app.retriever import Retriever
from app.routes import info_routes, operation_routes, search_routes
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
    keys = ApiKeys.read(settings.api_keys, settings.api_keys_file)
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
        keeper = IndexKeeper(
            encoder.bundle,
            lambda: open_index(location, settings.collection, access),
            settings.index_retry_s,
        )
        app.state.retriever = Retriever(encoder, batcher, keeper, settings.timeout_s)
        metrics.ready.set_function(lambda: keeper.is_open)
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
        docs_url=None,
        redoc_url=None,
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True, "validatorUrl": None},
        responses=openapi.COMMON_PROBLEMS,
    )
    app.state.settings = settings
    app.state.metrics = metrics
    with_key = openapi.with_key() if keys else {}
    app.include_router(search_routes, **with_key)
    app.include_router(info_routes, **with_key)
    app.include_router(operation_routes)
    app.add_api_route("/", _to_docs, include_in_schema=False)
    docs.install(app)
    openapi.install(app)
    problems.install(app)
    # the last is the outermost: even a refusal has its id and what a browser needs to read it
    app.add_middleware(
        Guard, keys=keys, max_body_bytes=settings.max_body_bytes, body_timeout_s=settings.client_timeout_s
    )
    cors.install(app, settings.cors_origins)
    app.add_middleware(RequestContext, metrics=metrics)
    return app


async def _to_docs() -> RedirectResponse:
    return RedirectResponse("docs")
