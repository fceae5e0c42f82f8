"""POST /v1/explain over real HTTP: which generated queries are closest to a question."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bundle import Bundle
from app.languages import LANGUAGES
from app.settings import Settings
from tests.conftest import Built

TELUGU = LANGUAGES[-1].example


def explain(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/v1/explain", json=body)


def test_every_generated_query_of_the_passage_is_ranked(client: httpx.Client) -> None:
    answer = explain(client, query=TELUGU, docid="Eiffel Tower").json()
    stored = client.get("/v1/passages/Eiffel Tower").json()["generated_queries"]
    matched = answer["matched_queries"]
    assert sorted((each["lang"], each["query"]) for each in matched) == sorted(
        (lang, query) for lang, queries in stored.items() for query in queries
    )
    scores = [each["score"] for each in matched]
    assert scores == sorted(scores, reverse=True)
    assert (answer["docid"], answer["lang"], matched[0]["lang"]) == ("Eiffel Tower", "te", "te")


def test_it_scores_as_a_search_that_explains(client: httpx.Client) -> None:
    search = {"query": TELUGU, "top_k": 1, "explain": True}
    (hit,) = client.post("/v1/search", json=search).json()["hits"]
    alone = explain(client, query=TELUGU, docid=hit["docid"]).json()["matched_queries"]
    assert [each["query"] for each in hit["matched_queries"]] == [each["query"] for each in alone[:3]]
    # a vector moves in its last digits with the company of its batch
    assert [each["score"] for each in hit["matched_queries"]] == pytest.approx([each["score"] for each in alone[:3]])


@pytest.mark.parametrize(
    ("query", "given", "told"),
    [("Kuka?", "fi-FI", "fi"), ("Kuka?", None, "unknown"), ("من؟", None, "ar"), ("Nani?", "sw", "other")],
)
def test_the_language_is_the_callers_word_or_the_script(
    client: httpx.Client, query: str, given: str | None, told: str
) -> None:
    assert explain(client, query=query, docid="Agra", lang=given).json()["lang"] == told


def test_an_explanation_finds_room_in_a_queue_that_is_shorter_than_itself(
    serve: Callable[[Settings], AbstractContextManager[str]], demo_bundle: Bundle, built: Built, tmp_path: Path
) -> None:
    shutil.copytree(built.index.removeprefix("edge:"), tmp_path / "index", symlinks=True)
    settings = Settings(
        bundle=demo_bundle.folder,
        index=f"edge:{tmp_path / 'index'}",
        timeout_s=120,
        max_batch_tokens=64,
        max_queue_tokens=64,
    )
    with serve(settings) as url, httpx.Client(base_url=url, timeout=120) as client:
        stored = client.get("/v1/passages/Eiffel Tower").json()["generated_queries"]
        answer = explain(client, query=TELUGU, docid="Eiffel Tower")
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["matched_queries"]) == sum(map(len, stored.values()))


def test_a_passage_that_is_not_there_is_a_404(client: httpx.Client) -> None:
    answer = explain(client, query=TELUGU, docid="eiffel tower")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:xqg:problem:passage-not-found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": " ", "docid": "Agra"}, "query"),
        ({"query": "x" * 4001, "docid": "Agra"}, None),
        ({"query": "x"}, "docid"),
        ({"query": "x", "docid": "Agra", "top_k": 1}, "top_k"),
    ],
)
def test_what_cannot_be_explained_is_a_422(client: httpx.Client, body: dict[str, Any], field: str | None) -> None:
    answer = explain(client, **body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json().get("errors", [])] == ([field] if field else [])


def test_half_of_a_surrogate_pair_is_no_docid(client: httpx.Client) -> None:
    body = b'{"query": "x", "docid": "\\ud800"}'
    answer = client.post("/v1/explain", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "docid")
