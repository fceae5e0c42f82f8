"""Both clients before a server that refuses for a while, hangs up, or is somebody else's."""

import base64
import email.utils
import time
from collections.abc import Callable
from typing import Any

import pytest
from xqg_client import (
    AsyncXqgClient,
    Retry,
    Search,
    SearchResult,
    ServiceProblem,
    ServiceUnreachable,
    UnexpectedAnswer,
    XqgClient,
)

from tests.scripted import Answer, Script, problem, scripted

RESULT = {
    "query": "q",
    "hits": [{"rank": 1, "docid": "d", "title": "t", "text": "x", "score": 0.5, "metadata": {}, "new": 1}],
    "index": {"collection": "c", "run_id": "r", "alpha": 0.05, "passages": 1},
    "encoder": {"source": "s", "fingerprint": "f", "precision": "fp32"},
    "timings_ms": {"total": 1.0},
    "truncated": False,
    "request_id": "id",
    "added_later": True,
}
GOOD = Answer(200, RESULT)
AT_ONCE = Retry(base_s=0)
OVERLOADED = problem(429, "overloaded")


def refused(slug: str, status: int) -> dict[str, Any]:
    return {"error": problem(status, slug).body}


async def search_sync(url: str, retry: Retry) -> SearchResult:
    with XqgClient(url, retry=retry) as client:
        return client.search("q")


async def search_async(url: str, retry: Retry) -> SearchResult:
    async with AsyncXqgClient(url, retry=retry) as client:
        return await client.search("q")


both = pytest.mark.parametrize("search", [search_sync, search_async], ids=["sync", "async"])
SearchOnce = Callable[[str, Retry], Any]


@both
async def test_a_search_refused_for_a_while_is_asked_again(search: SearchOnce) -> None:
    with scripted(OVERLOADED, problem(503, "not-ready"), GOOD) as script:
        result = await search(script.url, AT_ONCE)
    assert result.hits[0].docid == "d"
    assert [asked.body["query"] for asked in script.asked] == ["q"] * 3
    assert len({asked.port for asked in script.asked}) == 1, "one connection serves all three"


@both
async def test_patience_ends_with_the_last_problem(search: SearchOnce) -> None:
    with scripted(OVERLOADED) as script, pytest.raises(ServiceProblem) as caught:
        await search(script.url, Retry(times=2, base_s=0))
    assert caught.value.status == 429
    assert len(script.asked) == 3


@both
@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500, 502, 504])
async def test_what_another_attempt_would_not_change_is_asked_once(search: SearchOnce, status: int) -> None:
    with scripted(problem(status, "staged"), GOOD) as script, pytest.raises(ServiceProblem):
        await search(script.url, AT_ONCE)
    assert len(script.asked) == 1


@both
async def test_the_pause_is_what_the_service_asks_for(search: SearchOnce) -> None:
    with scripted(problem(429, "overloaded", Retry_After="1"), GOOD) as script:
        began = time.monotonic()
        await search(script.url, AT_ONCE)
        assert time.monotonic() - began >= 1


@both
async def test_a_service_that_wants_more_patience_than_there_is_is_not_asked_again(search: SearchOnce) -> None:
    with (
        scripted(problem(503, "not-ready", Retry_After="600"), GOOD) as script,
        pytest.raises(ServiceProblem) as caught,
    ):
        await search(script.url, Retry())
    assert caught.value.retry_after_s == 600
    assert len(script.asked) == 1


@both
async def test_a_connection_that_breaks_is_told_and_not_asked_again(search: SearchOnce) -> None:
    with scripted(Answer(drop=True), GOOD) as script, pytest.raises(ServiceUnreachable, match="no answer from 127"):
        await search(script.url, AT_ONCE)
    assert len(script.asked) == 1


@both
@pytest.mark.parametrize(
    "body",
    ["<html>welcome</html>", "[]", "null", {"hits": []}, RESULT | {"hits": [{"rank": 1}]}, RESULT | {"index": 1}],
)
async def test_another_services_answer_is_told_apart(search: SearchOnce, body: Any) -> None:
    with scripted(Answer(200, body)) as script, pytest.raises(UnexpectedAnswer, match="check the base URL"):
        await search(script.url, AT_ONCE)


@both
async def test_a_proxys_page_is_a_problem_too(search: SearchOnce) -> None:
    with scripted(Answer(502, "<h1>Bad Gateway</h1>")) as script, pytest.raises(ServiceProblem) as caught:
        await search(script.url, AT_ONCE)
    problem = caught.value
    assert (problem.status, problem.type, problem.title) == (502, "about:blank", "Bad Gateway")
    assert problem.detail == "<h1>Bad Gateway</h1>"
    assert problem.request_id is None


@pytest.mark.parametrize("client", [XqgClient, AsyncXqgClient])
@pytest.mark.parametrize(
    "base_url", ["", "localhost", "localhost:8000", "ftp://localhost", "http://", "http://me:secret@localhost:port"]
)
def test_what_is_no_address_of_a_service_is_refused_at_once_without_being_shown(client: type, base_url: str) -> None:
    with pytest.raises(ValueError, match="write it as http://localhost:8000") as caught:
        client(base_url)
    assert "secret" not in str(caught.value)


@both
async def test_a_redirect_is_told_with_the_place_and_not_followed(search: SearchOnce) -> None:
    there = {"Location": "https://xqg.example/v1/search"}
    with (
        scripted(Answer(301, "<h1>Moved Permanently</h1>", there)) as script,
        pytest.raises(ServiceProblem) as caught,
    ):
        await search(script.url, AT_ONCE)
    assert str(caught.value) == ("301 Moved Permanently: moved to https://xqg.example/v1/search; check the base URL")
    assert len(script.asked) == 1


def batch(script: Script, retry: Retry, count: int) -> list[Any]:
    with XqgClient(script.url, retry=retry) as client:
        return client.search_batch([Search(str(number)) for number in range(count)])


def queries(script: Script) -> list[list[str]]:
    return [[search["query"] for search in asked.body["searches"]] for asked in script.asked]


def test_of_a_batch_only_the_searches_refused_for_a_while_are_asked_again() -> None:
    first = {"results": [{"result": RESULT}, refused("overloaded", 429), refused("invalid-request", 422)]}
    with scripted(Answer(200, first), Answer(200, {"results": [{"result": RESULT}]})) as script:
        outcomes = batch(script, AT_ONCE, 3)
    assert queries(script) == [["0", "1", "2"], ["1"]]
    assert [getattr(outcome, "status", 200) for outcome in outcomes] == [200, 200, 422]


def test_a_batch_refused_as_a_whole_is_asked_again_and_then_raised() -> None:
    with scripted(OVERLOADED) as script, pytest.raises(ServiceProblem) as caught:
        batch(script, Retry(times=1, base_s=0), 2)
    assert caught.value.status == 429
    assert queries(script) == [["0", "1"]] * 2


def test_what_a_batch_has_answered_is_kept_when_the_rest_is_refused() -> None:
    first = {"results": [{"result": RESULT}, refused("overloaded", 429)]}
    with scripted(Answer(200, first), problem(500, "internal-error")) as script:
        outcomes = batch(script, AT_ONCE, 2)
    assert isinstance(outcomes[0], SearchResult)
    assert outcomes[1].type == "urn:xqg:problem:internal-error"


def test_the_searches_of_a_batch_share_one_patience() -> None:
    both_refused = Answer(200, {"results": [refused("overloaded", 429)] * 2})
    with scripted(OVERLOADED, both_refused) as script:
        outcomes = batch(script, Retry(times=2, base_s=0), 2)
    assert len(script.asked) == 3
    assert [outcome.status for outcome in outcomes] == [429, 429]


def test_a_batch_with_an_outcome_too_few_is_no_answer() -> None:
    with scripted(Answer(200, {"results": [{"result": RESULT}]})) as script, pytest.raises(UnexpectedAnswer):
        batch(script, AT_ONCE, 2)


def test_the_key_goes_in_a_header_and_a_proxys_path_is_kept() -> None:
    with scripted(GOOD) as script, XqgClient(f"{script.url}/search/", api_key="k e y") as client:
        client.search("q", lang="te")
    (asked,) = script.asked
    assert asked.path == "/search/v1/search"
    assert asked.headers["authorization"] == "Bearer k e y"
    assert asked.body == {"query": "q", "top_k": 10, "lang": "te", "filter": {}, "explain": False}


def test_a_user_whom_a_proxy_asks_for_leaves_the_key_in_its_place() -> None:
    with scripted(GOOD) as script, XqgClient(script.url.replace("//", "//me:secret@"), api_key="k e y") as client:
        client.search("q")
    headers = script.asked[0].headers
    assert headers["authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    assert headers["x-api-key"] == "k e y"


def test_an_empty_key_is_none() -> None:
    with scripted(GOOD) as script, XqgClient(script.url, api_key="") as client:
        client.search("q")
    assert "authorization" not in script.asked[0].headers


def test_readiness_asks_once_and_raises_what_is_not_about_it() -> None:
    with scripted(problem(503, "not-ready"), problem(404, "not-found")) as script, XqgClient(script.url) as client:
        readiness = client.ready()
        assert (bool(readiness), readiness.reason) == (False, "staged 503")
        with pytest.raises(ServiceProblem, match="404"):
            client.ready()
    assert len(script.asked) == 2


def retry_after(header: str) -> float | None:
    with scripted(problem(404, "staged", Retry_After=header)) as script, pytest.raises(ServiceProblem) as caught:
        batch(script, AT_ONCE, 1)
    seconds: float | None = caught.value.retry_after_s
    return seconds


def test_retry_after_may_be_a_date() -> None:
    in_a_minute = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert retry_after(in_a_minute) == pytest.approx(60, abs=5)
    assert retry_after("Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert retry_after("soon") is None
    assert retry_after("Sun, 06 Nov 1994 08:49:37 -0000") is None  # of no time zone


def pauses_s(retry: Retry, failures: int, retry_after_s: float | None = None) -> list[float | None]:
    refusal = ServiceProblem(429, "t", "t", "d", retry_after_s=retry_after_s)
    return [retry.pause_s(failures, refusal) for _ in range(200)]


def test_pauses_grow_and_differ() -> None:
    retry = Retry(times=4, base_s=1, longest_s=6)
    for failures, most_s in [(1, 1), (2, 2), (3, 4), (4, 6)]:
        drawn = pauses_s(retry, failures)
        assert all(pause is not None and 0 <= pause <= most_s for pause in drawn)
        assert max(pause or 0 for pause in drawn) > most_s / 2
        assert len(set(drawn)) > 50
    assert set(pauses_s(retry, 5)) == {None}


def test_the_jitter_comes_on_top_of_what_the_service_asks_for() -> None:
    assert all(pause is not None and 2 <= pause <= 3 for pause in pauses_s(Retry(base_s=1), 1, 2.0))
    assert set(pauses_s(Retry(longest_s=6), 1, 7.0)) == {None}
