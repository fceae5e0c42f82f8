"""Both clients against the real service."""

import asyncio
import dataclasses
import inspect
import pickle
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xqg_client import (
    MAX_BATCH_SEARCHES,
    AsyncXqgClient,
    Explanation,
    Search,
    SearchResult,
    ServiceProblem,
    ServiceUnreachable,
    XqgClient,
    answers,
)

from app import __version__, schemas
from app.bundle import Bundle
from app.languages import LANGUAGES
from app.passages import Passage
from app.settings import Settings
from offline.demo.tour import ANSWERS
from tests.conftest import SMALL_PASSAGES, Built
from tests.filled import Engine, fill
from tests.processes import free_port

TELUGU = LANGUAGES[-1].example
KEY = "a-key-of-these-tests-0123456789"
Serve = Callable[[Settings], AbstractContextManager[str]]


class Blocking:
    """The sync client, asked as the async one is: what holds for one holds for both."""

    def __init__(self, client: XqgClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(getattr(self._client, name), *args, **kwargs)

        return call


@pytest.fixture(params=["sync", "async"])
async def xqg(request: pytest.FixtureRequest, service: str) -> AsyncIterator[Any]:
    if request.param == "sync":
        with XqgClient(service) as client:
            yield Blocking(client)
    else:
        async with AsyncXqgClient(service) as client:
            yield client


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
async def test_a_question_in_each_language_finds_its_english_passage(xqg: Any, language: Any) -> None:
    result: SearchResult = await xqg.search(language.example, top_k=3, lang=language.code)
    assert result.query == language.example
    assert result.hits[0].docid == ANSWERS[language.code]
    assert [hit.rank for hit in result.hits] == [1, 2, 3]
    assert result.hits[0].text
    assert result.index.passages == SMALL_PASSAGES
    assert result.encoder.source == "multilingual-e5-small"
    assert result.timings_ms["total"] > 0


async def test_filter_score_and_explanation_reach_the_service(xqg: Any) -> None:
    result: SearchResult = await xqg.search(TELUGU, top_k=2, filter={"topic": "Arts"}, min_score=0.1, explain=True)
    assert {hit.metadata["topic"] for hit in result.hits} == {"Arts"}
    assert all(len(hit.matched_queries) == 3 for hit in result.hits)
    assert result.hits[0].matched_queries[0].lang in ANSWERS
    assert (await xqg.search(TELUGU, min_score=0.999)).hits == ()


async def test_a_hit_is_explained_by_all_of_its_generated_queries_closest_first(xqg: Any) -> None:
    why: Explanation = await xqg.explain(TELUGU, "Eiffel Tower")
    assert (why.query, why.docid, why.lang) == (TELUGU, "Eiffel Tower", "te")
    assert why.request_id
    scores = [each.score for each in why.matched_queries]
    assert scores == sorted(scores, reverse=True)
    stored = (await xqg.passage("Eiffel Tower")).generated_queries
    assert sorted((each.lang, each.query) for each in why.matched_queries) == sorted(
        (lang, query) for lang, queries in stored.items() for query in queries
    )
    assert (await xqg.explain("Kuka?", "Eiffel Tower", lang="fi")).lang == "fi"


async def test_what_cannot_be_explained_is_a_problem(xqg: Any) -> None:
    for query, docid, status in [(TELUGU, "eiffel tower", 404), (" ", "Eiffel Tower", 422)]:
        with pytest.raises(ServiceProblem) as caught:
            await xqg.explain(query, docid)
        assert caught.value.status == status


async def test_a_batch_has_an_outcome_for_each_search_in_order(xqg: Any) -> None:
    searches = [Search(language.example, top_k=1) for language in LANGUAGES]
    searches.insert(3, Search(" "))
    outcomes = await xqg.search_batch(iter(searches))
    refused = outcomes.pop(3)
    assert isinstance(refused, ServiceProblem)
    assert (refused.status, refused.type) == (422, "urn:xqg:problem:invalid-request")
    assert refused.errors == ({"field": "query", "message": "is blank; ask something"},)
    assert [outcome.hits[0].docid for outcome in outcomes] == [ANSWERS[language.code] for language in LANGUAGES]


async def test_more_searches_than_a_batch_takes_are_sent_as_several(xqg: Any) -> None:
    searches = [Search(f"{TELUGU} {number}", top_k=1) for number in range(2 * MAX_BATCH_SEARCHES + 1)]
    outcomes = await xqg.search_batch(searches)
    assert [outcome.query for outcome in outcomes] == [search.query for search in searches]
    assert len({outcome.request_id for outcome in outcomes}) == 3


async def test_a_batch_of_nothing_asks_nothing(xqg: Any) -> None:
    assert await xqg.search_batch([]) == []


async def test_a_passage_comes_with_its_generated_queries(xqg: Any) -> None:
    passage = await xqg.passage("Eiffel Tower")
    assert (passage.docid, passage.title) == ("Eiffel Tower", "Eiffel Tower")
    assert passage.metadata == {"topic": "Arts"}
    assert set(passage.generated_queries) == set(ANSWERS)


async def test_a_problem_carries_what_the_service_says(xqg: Any) -> None:
    with pytest.raises(ServiceProblem) as caught:
        await xqg.passage("no such passage")
    problem = caught.value
    assert (problem.status, problem.type) == (404, "urn:xqg:problem:passage-not-found")
    assert problem.title == "No such passage"
    assert "no such passage" in problem.detail
    assert problem.request_id
    assert problem.retry_after_s is None
    assert str(problem) == f"404 No such passage: {problem.detail} (request {problem.request_id})"
    again = pickle.loads(pickle.dumps(problem))  # noqa: S301, as a pool of processes hands it on
    assert vars(again) == vars(problem)


async def test_every_wrong_field_is_named(xqg: Any) -> None:
    with pytest.raises(ServiceProblem) as caught:
        await xqg.search("x", top_k=0, lang="not a language")
    assert caught.value.status == 422
    assert [each["field"] for each in caught.value.errors] == ["top_k", "lang"]


async def test_info_and_readiness_are_read(xqg: Any, demo_bundle: Bundle) -> None:
    info = await xqg.info()
    assert info.version == __version__
    assert info.encoder.fingerprint == demo_bundle.fingerprint
    assert info.encoder.dimension == 384
    assert info.index.fields == {"topic": "keyword"}
    assert info.index_refused is None
    assert info.limits["max_batch_searches"] == MAX_BATCH_SEARCHES
    readiness = await xqg.ready()
    assert readiness
    assert readiness.reason == ""


async def test_nobody_there_is_said_with_the_place() -> None:
    port = free_port()
    with pytest.raises(ServiceUnreachable, match=f"no answer from 127.0.0.1:{port}: ") as caught:
        async with AsyncXqgClient(f"http://someone:secret@127.0.0.1:{port}") as client:
            await client.ready()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (answers.MatchedQuery, schemas.MatchedQueryModel),
        (answers.Hit, schemas.HitModel),
        (answers.Index, schemas.IndexModel),
        (answers.Encoder, schemas.EncoderModel),
        (answers.SearchResult, schemas.SearchResponse),
        (answers.Explanation, schemas.ExplainResponse),
        (answers.Passage, schemas.PassageModel),
        (answers.EncoderInfo, schemas.EncoderInfo),
        (answers.IndexInfo, schemas.IndexInfo),
        (answers.Info, schemas.Info),
    ],
)
def test_the_client_reads_every_field_that_the_service_answers(ours: type, theirs: type[Any]) -> None:
    assert {field.name for field in dataclasses.fields(ours)} == set(theirs.model_fields)


def test_the_client_asks_for_every_option_that_the_service_has() -> None:
    assert {field.name for field in dataclasses.fields(Search)} == set(schemas.SearchRequest.model_fields)
    assert set(inspect.signature(XqgClient.explain).parameters) - {"self"} == set(schemas.ExplainRequest.model_fields)
    assert MAX_BATCH_SEARCHES == schemas.MAX_BATCH_SEARCHES


ODD_DOCIDS = ["a/1", "ç d", "..", ".", "100%", "%2F", "?q=1#x", "పారిస్", "a//b", "x;y=1", " "]


@pytest.fixture(scope="module")
def keyed_service(serve: Serve, demo_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that asks for a key, over passages with odd docids."""
    folder = tmp_path_factory.mktemp("odd")
    vectors = np.random.default_rng(0).normal(size=(len(ODD_DOCIDS), 384)).astype(np.float32)
    passages = [Passage(docid, docid, "text") for docid in ODD_DOCIDS]
    asyncio.run(fill(Engine(folder=folder), "passages", "1", passages, vectors, demo_bundle.encoder, fields={}))
    with serve(Settings(bundle=demo_bundle.folder, index=f"edge:{folder}", timeout_s=120, api_keys=KEY)) as url:
        yield url


@pytest.mark.parametrize("docid", ODD_DOCIDS)
def test_any_docid_can_be_fetched(keyed_service: str, docid: str) -> None:
    with XqgClient(keyed_service, api_key=KEY) as client:
        assert client.passage(docid).docid == docid


def test_without_its_key_the_service_refuses(keyed_service: str) -> None:
    with XqgClient(keyed_service) as client:
        assert client.ready()
        with pytest.raises(ServiceProblem) as caught:
            client.search_batch([Search("x")])
        assert (caught.value.status, caught.value.type) == (401, "urn:xqg:problem:unauthorized")


@pytest.mark.parametrize("key", ["two\nlines", "clé", "blank-after ", " blank-before"])
def test_a_key_that_no_header_carries_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="characters that no header carries") as caught:
        XqgClient("http://localhost", api_key=key)
    assert key not in str(caught.value)


def test_a_service_without_a_fitting_index_says_why_it_is_not_ready(
    serve: Serve, tiny_bundle: Bundle, built: Built, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    shutil.copytree(built.index.removeprefix("edge:"), index, symlinks=True)
    with serve(Settings(bundle=tiny_bundle.folder, index=f"edge:{index}")) as url, XqgClient(url) as client:
        readiness = client.ready()
        assert not readiness
        assert "dimension" in readiness.reason
        assert client.info().index is None
