"""The calls of both clients, all but the sending and the waiting.

Each is a generator that yields what to send and is sent the answer, as httpx's own ``auth_flow`` is.
"""

import itertools
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from xqg_client.answers import Explanation, Info, Json, Passage, Readiness, SearchResult
from xqg_client.errors import ServiceProblem, UnexpectedAnswer
from xqg_client.retry import Retry

T = TypeVar("T")

MAX_BATCH_SEARCHES = 64
"""What the service takes in one batch."""
_NOT_READY = 503


@dataclass(frozen=True, slots=True)
class Search:
    """A question and how to search for it.

    ``filter`` names metadata fields, all of which must hold: ``{"topic": ["Arts", "History"]}``,
    ``{"topic": {"not": "Arts"}}``, ``{"year": {"gte": 1900}}``.  ``lang`` is for the service's
    metrics and does not change the hits.
    """

    query: str
    top_k: int = 10
    lang: str | None = None
    filter: Mapping[str, Any] = field(default_factory=dict)
    min_score: float | None = None
    explain: bool = False

    def body(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, and the pause before it."""

    method: str
    path: str
    body: Json | None = None
    after_s: float = 0.0


Steps = Generator[Ask, httpx.Response, T]
Outcome = SearchResult | ServiceProblem


def search(retry: Retry, item: Search) -> Steps[SearchResult]:
    return _ask(retry, Ask("POST", "/v1/search", item.body()), SearchResult.read)


def search_batch(retry: Retry, items: Iterable[Search]) -> Steps[list[Outcome]]:
    every = list(items)
    outcomes: list[Outcome] = []
    for start in range(0, len(every), MAX_BATCH_SEARCHES):
        outcomes += yield from _ask_batch(retry, every[start : start + MAX_BATCH_SEARCHES])
    return outcomes


def explain(retry: Retry, query: str, docid: str, lang: str | None) -> Steps[Explanation]:
    return _ask(retry, Ask("POST", "/v1/explain", {"query": query, "docid": docid, "lang": lang}), Explanation.read)


def passage(retry: Retry, docid: str) -> Steps[Passage]:
    name = quote(docid, safe="").replace(".", "%2E")  # `..` would be a step up
    return _ask(retry, Ask("GET", f"/v1/passages/{name}"), Passage.read)


def info(retry: Retry) -> Steps[Info]:
    return _ask(retry, Ask("GET", "/v1/info"), Info.read)


def ready() -> Steps[Readiness]:
    response = yield Ask("GET", "/readyz")
    if response.is_success:
        return Readiness(ready=True)
    problem = ServiceProblem.of(response)
    if problem.status == _NOT_READY:
        return Readiness(ready=False, reason=problem.detail)
    raise problem


def _ask(retry: Retry, ask: Ask, read: Callable[[Json], T]) -> Steps[T]:
    """Ask until there is an answer, or a problem that stays."""
    for failures in itertools.count(1):
        response = yield ask
        if response.is_success:
            break
        problem = ServiceProblem.of(response)
        pause_s = retry.pause_s(failures, problem)
        if pause_s is None:
            raise problem
        ask = replace(ask, after_s=pause_s)
    return _read(response, read)


def _ask_batch(retry: Retry, items: Sequence[Search]) -> Steps[list[Outcome]]:
    """Ask until no search of the batch is refused for a while only; those that are answered are not asked again."""
    outcomes: dict[int, Outcome] = {}
    pending, after_s = list(range(len(items))), 0.0
    for failures in itertools.count(1):
        body = {"searches": [items[place].body() for place in pending]}
        response = yield Ask("POST", "/v1/search/batch", body, after_s)
        if response.is_success:
            answered = _read(response, lambda answer: _outcomes(answer, len(pending)))  # noqa: B023, called at once
        else:
            answered = [ServiceProblem.of(response)] * len(pending)
        outcomes |= zip(pending, answered, strict=True)
        pauses_s = {
            place: pause_s
            for place, outcome in zip(pending, answered, strict=True)
            if isinstance(outcome, ServiceProblem) and (pause_s := retry.pause_s(failures, outcome)) is not None
        }
        if not pauses_s:
            break
        pending, after_s = list(pauses_s), max(pauses_s.values())
    if not response.is_success and len(pending) == len(items):  # none was ever answered
        raise ServiceProblem.of(response)
    return [outcomes[place] for place in range(len(items))]


def _outcomes(answer: Json, count: int) -> list[Outcome]:
    items = answer["results"]
    if len(items) != count:
        raise ValueError(f"{len(items)} outcomes of {count} searches")
    return [
        SearchResult.read(item["result"]) if item.get("result") else ServiceProblem.read(item["error"])
        for item in items
    ]


def _read(response: httpx.Response, read: Callable[[Json], T]) -> T:
    try:
        return read(response.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnexpectedAnswer(
            f"{response.request.url.copy_with(userinfo=b'')}: this is no answer of an xQG service ({error!r}); "
            "check the base URL"
        ) from error
