"""What the routes work with, and how they come by it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.metrics import Metrics
from app.retriever import Retriever
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running service; ``app.state.service`` from start to stop."""

    retriever: Retriever
    settings: Settings
    metrics: Metrics


async def get_service(request: Request) -> Service:
    # a coroutine, since the framework would call a function on a thread of its pool, for every request
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]
