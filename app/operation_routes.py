"""What runs here and how it fares, over HTTP."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app import __version__, schemas
from app.errors import NotReady, XqgError
from app.service import ServiceDep
from app.translate import encoder_info, index_info

info_routes = APIRouter(prefix="/v1", tags=["operation"])
operation_routes = APIRouter(tags=["operation"])


@info_routes.get("/info", summary="What runs here")
async def info(service: ServiceDep) -> schemas.Info:
    try:
        index = index_info(service.retriever.index)
    except XqgError:
        index = None
    return schemas.Info(
        version=__version__,
        encoder=encoder_info(service.retriever.encoder),
        index=index,
        index_refused=service.retriever.index_refused,
        limits={name: value for name, value in service.settings if name.startswith("max_") or name == "timeout_s"}
        | {"max_batch_searches": schemas.MAX_BATCH_SEARCHES},
    )


@operation_routes.head("/healthz", include_in_schema=False)
@operation_routes.get("/healthz", summary="The process lives")
async def healthz() -> schemas.Health:
    return schemas.Health()


@operation_routes.head("/readyz", include_in_schema=False)
@operation_routes.get("/readyz", summary="Searches can be answered")
async def readyz(request: Request, service: ServiceDep) -> schemas.Readiness:
    """Embeds a canary and asks the index."""
    if request.app.state.draining:
        raise NotReady("the service is stopping; send requests elsewhere")
    count = await service.retriever.check_ready()
    return schemas.Readiness(collection=service.retriever.index.collection, passages=count)


@operation_routes.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def prometheus(service: ServiceDep) -> Response:
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)
