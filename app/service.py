"""What every face of the service works with: routes, and tools for assistants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import ValidationError

from app.errors import InvalidRequest
from app.languages import language_label
from app.metrics import Metrics
from app.problems import log_if_unexpected, problem_from, problem_from_validation, slug_of
from app.retriever import Retriever
from app.schemas import BatchItem, SearchRequest, SearchResponse
from app.settings import Settings
from app.translate import to_response, to_search


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running service; ``app.state.service`` from start to stop."""

    retriever: Retriever
    settings: Settings
    metrics: Metrics

    async def answer(self, body: SearchRequest, request_id: str) -> SearchResponse:
        """One search, counted.

        Raises:
            XqgError: what ``Retriever.search`` raises, and InvalidRequest for a query that is too long.
        """
        self.check_length(body.query)
        result = await self.retriever.search(to_search(body))
        self.metrics.observe_search(language_label(body.lang, body.query), result)
        return to_response(body.query, result, self.retriever, request_id)

    def check_length(self, query: str) -> None:
        """Raises InvalidRequest for a query that is too long."""
        longest = self.settings.max_query_chars
        if len(query) > longest:
            raise InvalidRequest(f"query: longer than {longest:,} characters; ask a shorter question")

    async def outcome(self, fields: Mapping[str, Any], request_id: str, *, may_explain: bool) -> BatchItem:
        """One search within something larger, from its unchecked fields: a result, or a problem that is counted."""
        try:
            body = SearchRequest.model_validate(fields)
            if body.explain and not may_explain:  # hundreds of embeddings each
                raise InvalidRequest("explain: ask for it in a search of its own, not in a batch")
            return BatchItem(result=await self.answer(body, request_id))
        except ValidationError as error:
            problem = problem_from_validation(error, request_id)
        except Exception as error:
            log_if_unexpected(error, request_id)
            problem = problem_from(error, request_id)
        self.metrics.rejections.labels(slug_of(problem)).inc()
        return BatchItem(error=problem)


async def get_service(request: Request) -> Service:
    # a coroutine, since the framework would call a function on a thread of its pool, for every request
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]
