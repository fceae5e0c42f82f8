"""What every face of the service works with: routes, and tools for assistants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import ValidationError

from app.errors import InvalidRequest, PassageNotFound
from app.languages import language_label
from app.metrics import Metrics
from app.problems import log_if_unexpected, problem_from, problem_from_validation, slug_of
from app.retriever import Retriever
from app.schemas import BatchItem, PassageModel, ProblemModel, SearchRequest, SearchResponse
from app.settings import Settings
from app.translate import to_passage, to_response, to_search


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

    async def outcome(self, fields: Mapping[str, Any], request_id: str) -> BatchItem:
        """One search of a batch, from its unchecked fields: a result, or a problem."""
        try:
            body = SearchRequest.model_validate(fields)
            if body.explain:  # hundreds of embeddings each
                raise InvalidRequest("explain: ask for it in a search of its own, not in a batch")
            return BatchItem(result=await self.answer(body, request_id))
        except Exception as error:
            return BatchItem(error=self.problem(error, request_id))

    async def passage(self, docid: str) -> PassageModel:
        """A stored passage.

        Raises:
            XqgError: what ``Retriever.passage`` raises, and PassageNotFound.
        """
        found = await self.retriever.passage(docid)
        if found is None:
            raise not_found(docid)
        return to_passage(found)

    def problem(self, error: Exception, request_id: str) -> ProblemModel:
        """Of a part of something larger, which has no answer of its own: counted, and logged if nobody expected it."""
        if isinstance(error, ValidationError):
            problem = problem_from_validation(error, request_id)
        else:
            log_if_unexpected(error, request_id)
            problem = problem_from(error, request_id)
        self.metrics.rejections.labels(slug_of(problem)).inc()
        return problem


def not_found(docid: str) -> PassageNotFound:
    return PassageNotFound(f"the index has no passage {docid!r}; docids are case-sensitive")


async def get_service(request: Request) -> Service:
    # a coroutine, since the framework would call a function on a thread of its pool, for every request
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]
