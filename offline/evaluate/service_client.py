"""ServiceClient: many questions to a running service, asked again where it is busy."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from app.errors import ConfigurationError, ServiceUnavailable
from app.schemas import BatchResponse, IndexInfo, Info, ProblemModel, SearchResponse
from offline.again import Again, asking_again, retry_after_s
from offline.evaluate.report.model import RetrievedPassage

_SEARCHES_PER_REQUEST = 16  # a hundred passages each come back
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_BUSY_PAUSE_S = 1.0
_INFO_RETRY_S = 10.0
_ADDRESS = "give an address such as http://localhost:8000"

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where a service is, and how patiently it is asked."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 60
    """For one request, from its first byte to the answer's last."""
    retry_s: float = 120
    """How long a request that fails is made again."""
    at_once: int = 4
    """Requests under way together."""


class ServiceClient:
    """Lives on one event loop, as an asynchronous context; the key goes into the header and nowhere else."""

    def __init__(self, address: ServiceAddress) -> None:
        if address.api_key and not re.fullmatch(r"[!-~]+", address.api_key):
            raise ConfigurationError("XQG_CLIENT_KEY is no key: give printable ASCII without spaces")
        self._address = address
        headers = {"Authorization": f"Bearer {address.api_key}"} if address.api_key else {}
        try:
            self._http = httpx.AsyncClient(base_url=address.url, headers=headers, timeout=address.timeout_s)
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"--service {address.url}: {error}; {_ADDRESS}") from error
        if self._http.base_url.scheme not in ("http", "https") or not self._http.base_url.host:
            raise ConfigurationError(f"--service {address.url}: {_ADDRESS}")
        if self._http.base_url.userinfo:  # reports show the address
            raise ConfigurationError("--service holds a password; give a key in XQG_CLIENT_KEY, not in the address")
        self._at_once = asyncio.Semaphore(address.at_once)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def info(self) -> Info:
        """What the service says of itself.

        Raises:
            ServiceUnavailable: it does not answer.
            ConfigurationError: what answers is no xQG service, or refuses the key.
        """

        async def once() -> Info:
            return self._read(Info, await self._ask("GET", "/v1/info"))

        return await self._until_answered(once, min(_INFO_RETRY_S, self._address.retry_s))

    async def search(
        self, questions: Sequence[str], top_k: int, index: IndexInfo, on_progress: Callable[[int], None]
    ) -> list[list[RetrievedPassage]]:
        """Hits of every question, best first.

        Args:
            index: which one is to answer, as ``info`` told.

        Raises:
            ServiceUnavailable: it did not answer for ``retry_s``, or went over to another index.
            ConfigurationError: it refuses a question or the key.
        """
        found: list[list[RetrievedPassage]] = [[] for _ in questions]

        async def batch(start: int) -> None:
            part = questions[start : start + _SEARCHES_PER_REQUEST]
            async with self._at_once:
                found[start : start + len(part)] = await self._search(part, top_k, index)
            on_progress(len(part))

        try:
            async with asyncio.TaskGroup() as group:
                for start in range(0, len(questions), _SEARCHES_PER_REQUEST):
                    group.create_task(batch(start))
        except BaseExceptionGroup as errors:  # one tells enough
            raise errors.exceptions[0] from None
        return found

    async def _search(self, questions: Sequence[str], top_k: int, index: IndexInfo) -> list[list[RetrievedPassage]]:
        found: dict[int, list[RetrievedPassage]] = {}

        async def once() -> None:
            left = [row for row in range(len(questions)) if row not in found]
            body = {"searches": [{"query": questions[row], "top_k": top_k} for row in left]}
            answer = self._read(BatchResponse, await self._ask("POST", "/v1/search/batch", body))
            if len(answer.results) != len(left):
                raise self._stranger()
            busy: ProblemModel | None = None
            for row, item in zip(left, answer.results, strict=True):
                if item.result is not None:
                    self._check_index(item.result, index)
                    found[row] = [RetrievedPassage(docid=hit.docid, score=hit.score) for hit in item.result.hits]
                elif item.error is not None and item.error.status in _TEMPORARY:
                    busy = item.error
                else:
                    reason = item.error.detail if item.error else "no answer"
                    raise ConfigurationError(f"{self._address.url} refuses the question {questions[row]!r}: {reason}")
            if busy is not None:
                raise Again(f"{busy.status} {busy.detail}", _BUSY_PAUSE_S)

        await self._until_answered(once, self._address.retry_s)
        return [found[row] for row in range(len(questions))]

    async def _until_answered(self, once: Callable[[], Awaitable[T]], retry_s: float) -> T:
        try:
            answer: T = await asking_again(retry_s)(once)
        except Again as error:
            raise ServiceUnavailable(
                f"the service {self._address.url} does not answer as it should: {error}, tried for {retry_s:g} s"
            ) from error
        return answer

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        try:
            async with asyncio.timeout(self._address.timeout_s):  # httpx's own is for each read
                response = await self._http.request(method, path, json=body)
        except TimeoutError as error:
            raise Again(f"no whole answer within {self._address.timeout_s:g} s") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise Again(str(error) or type(error).__name__) from error
        if response.is_success:
            return response
        reason = f"{response.status_code} {_detail(response)}"
        if response.status_code in _TEMPORARY:
            raise Again(reason, retry_after_s(response.headers))
        remedy = (
            "set XQG_CLIENT_KEY to a key that it takes" if response.status_code in (401, 403) else "check --service"
        )
        raise ConfigurationError(f"the service {self._address.url} refuses the request ({reason}); {remedy}")

    def _read(self, model: type[Model], response: httpx.Response) -> Model:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise self._stranger() from error

    def _stranger(self) -> ConfigurationError:
        return ConfigurationError(
            f"what answers at {self._address.url} is no xQG service of this version; check --service"
        )

    def _check_index(self, answer: SearchResponse, index: IndexInfo) -> None:
        if (answer.index.collection, answer.index.run_id) != (index.collection, index.run_id):
            raise ServiceUnavailable(
                f"the service {self._address.url} went over from {index.collection} to {answer.index.collection} while "
                "it was asked; run the same command again"
            )


def _detail(response: httpx.Response) -> str:
    """What the service says of itself, short and on one line."""
    try:
        text = ProblemModel.model_validate_json(response.content).detail
    except ValidationError:
        text = response.reason_phrase
    return " ".join(text.split())[:200]
