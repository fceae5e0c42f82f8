"""The service over real HTTP: real encoder, real Edge index, real uvicorn."""

import asyncio
import json
import re
import shutil
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bundle import Bundle
from app.languages import LANGUAGES
from app.settings import Settings
from offline.demo.tour import ANSWERS
from tests.conftest import SMALL_PASSAGES, Built

TELUGU = LANGUAGES[-1].example
Serve = Callable[[Settings], AbstractContextManager[str]]


def post(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/v1/search", json=body)


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Check that an answer is a whole problem document, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:xqg:problem:{slug}"
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_question_in_each_language_finds_its_english_passage(client: httpx.Client, language: Any) -> None:
    answer = post(client, query=language.example, top_k=3, lang=language.code).json()
    assert answer["hits"][0]["docid"] == ANSWERS[language.code]
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3]
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_an_answer_says_where_it_comes_from_and_how_long_it_took(client: httpx.Client, demo_bundle: Bundle) -> None:
    question = "Milloin Eiffel-torni rakennettiin?"  # asked for the first time, so that the encoder is
    answer = post(client, query=question, top_k=1).json()
    assert set(answer) == {"query", "hits", "index", "encoder", "timings_ms", "truncated", "request_id"}
    assert set(answer["hits"][0]) == {"rank", "docid", "title", "text", "score", "metadata"}
    assert answer["query"] == question
    assert answer["index"]["alpha"] == 0.05
    assert answer["index"]["passages"] == SMALL_PASSAGES
    assert answer["index"]["collection"].startswith("passages-")
    assert answer["encoder"]["fingerprint"] == demo_bundle.fingerprint
    timings = answer["timings_ms"]
    assert set(timings) == {"queue", "tokenize", "encode", "search", "total"}
    assert timings["total"] >= timings["encode"] > 0


def test_get_and_post_answer_alike(client: httpx.Client) -> None:
    query = {"q": TELUGU, "top_k": 2, "lang": "te", "filter": json.dumps({"topic": "Arts"}), "min_score": 0.1}
    by_get = client.get("/v1/search", params=query).json()
    by_post = post(client, query=TELUGU, top_k=2, lang="te", filter={"topic": "Arts"}, min_score=0.1).json()
    assert by_get["hits"] == by_post["hits"]
    assert {hit["metadata"]["topic"] for hit in by_get["hits"]} == {"Arts"}


def test_top_k_bounds_the_hits_and_min_score_may_leave_none(client: httpx.Client) -> None:
    assert len(post(client, query=TELUGU).json()["hits"]) == 10
    assert len(post(client, query=TELUGU, top_k=100).json()["hits"]) == SMALL_PASSAGES
    assert post(client, query=TELUGU, min_score=0.999).json()["hits"] == []


def test_a_question_over_the_token_limit_is_cut_and_flagged(client: httpx.Client) -> None:
    assert post(client, query=TELUGU).json()["truncated"] is False
    assert post(client, query=TELUGU * 30).json()["truncated"] is True


def test_explain_names_the_generated_queries_that_match(client: httpx.Client) -> None:
    (hit,) = post(client, query=TELUGU, top_k=1, explain=True).json()["hits"]
    best = hit["matched_queries"][0]
    assert best["lang"] == "te"
    assert best["score"] > 0.9
    assert [each["score"] for each in hit["matched_queries"]] == sorted(
        (each["score"] for each in hit["matched_queries"]), reverse=True
    )


def test_a_batch_answers_each_search_for_itself_and_in_order(client: httpx.Client) -> None:
    searches = [
        {"query": TELUGU, "top_k": 1},
        {"query": ""},
        {"query": LANGUAGES[2].example, "top_k": 1},
        {"query": "x", "filter": {"colour": "red"}},
        {"question": "x"},
    ]
    results = client.post("/v1/search/batch", json={"searches": searches}).json()["results"]
    assert results[0]["result"]["hits"][0]["docid"] == "Eiffel Tower"
    assert results[2]["result"]["hits"][0]["docid"] == "Valentina Tereshkova"
    assert [result["error"]["status"] for result in (results[1], results[3], results[4])] == [422, 422, 422]
    assert results[1]["error"]["errors"][0]["field"] == "query"
    assert "known are: topic" in results[3]["error"]["detail"]


def test_concurrent_searches_get_the_answers_of_lone_ones(client: httpx.Client, service: str) -> None:
    alone = [post(client, query=language.example).json()["hits"] for language in LANGUAGES]

    async def ask_all() -> list[Any]:
        async with httpx.AsyncClient(base_url=service, timeout=30) as many:
            bodies = [{"query": language.example} for language in LANGUAGES] * 8
            answers = await asyncio.gather(*(many.post("/v1/search", json=body) for body in bodies))
            return [answer.json()["hits"] for answer in answers]

    for position, hits in enumerate(asyncio.run(ask_all())):
        expected = alone[position % len(LANGUAGES)]
        assert [hit["docid"] for hit in hits] == [hit["docid"] for hit in expected]
        assert [hit["score"] for hit in hits] == pytest.approx([hit["score"] for hit in expected], abs=1e-5)


def test_a_passage_is_served_with_its_generated_queries(client: httpx.Client) -> None:
    answer = client.get("/v1/passages/" + urllib.parse.quote("Eiffel Tower")).json()
    assert answer["title"] == "Eiffel Tower"
    assert set(answer["generated_queries"]) == {"ar", "bn", "fi", "ja", "ko", "ru", "te"}
    assert "'a/b'" in problem(client.get("/v1/passages/a/b"), 404, "passage-not-found")["detail"]


def test_info_health_readiness_and_metrics(client: httpx.Client) -> None:
    info = client.get("/v1/info").json()
    assert info["encoder"]["source"] == "multilingual-e5-small"
    assert info["index"]["fields"] == {"topic": "keyword"}
    assert info["limits"]["max_batch_searches"] == 64
    assert {name for name in Settings.model_fields if name.startswith("max_")} < set(info["limits"])
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["passages"]) == ("ready", SMALL_PASSAGES)
    post(client, query=TELUGU, lang="te")
    post(client, query=TELUGU, lang="sw")
    metrics = client.get("/metrics").text
    assert 'xqg_requests_total{method="POST",route="/v1/search",status="200"}' in metrics
    assert 'xqg_searches_total{lang="te"}' in metrics
    assert 'xqg_searches_total{lang="other"}' in metrics
    assert 'xqg_stage_seconds_count{lang="te",stage="encode"}' in metrics
    assert "xqg_ready 1.0" in metrics


def test_every_canary_is_ready(client: httpx.Client, demo_bundle: Bundle) -> None:
    for _ in demo_bundle.manifest.canaries:
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": " \t\n"}, "query"),
        ({"query": 5}, "query"),
        ({"query": "x", "top_k": 0}, "top_k"),
        ({"query": "x", "top_k": 101}, "top_k"),
        ({"query": "x", "lang": "not a tag"}, "lang"),
        ({"query": "x", "filter": ["topic"]}, "filter"),
        ({"query": "x", "min_score": "high"}, "min_score"),
        ({"query": "x", "limit": 5}, "limit"),
        ({"query": "x", "top_k": "10"}, "top_k"),
        ({"query": "\u200b\u202e\u00a0"}, "query"),
        ([], "body"),
    ],
)
def test_a_bad_field_is_named(client: httpx.Client, body: Any, field: str) -> None:
    details = problem(client.post("/v1/search", json=body), 422, "invalid-request")
    assert [error["field"] for error in details["errors"]] == [field]


def test_what_get_is_given_badly_is_named_too(client: httpx.Client) -> None:
    problem(client.get("/v1/search"), 422, "invalid-request")
    problem(client.get("/v1/search", params={"q": " "}), 422, "invalid-request")
    problem(client.get("/v1/search", params={"q": "x", "top_k": "many"}), 422, "invalid-request")
    assert (
        "URL-encoded"
        in problem(client.get("/v1/search", params={"q": "x", "filter": "{"}), 422, "invalid-request")["detail"]
    )
    problem(client.get("/v1/search", params={"q": "x", "filter": "[1]"}), 422, "invalid-request")


def test_a_body_that_is_no_json_is_malformed(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    for content in (b"{", b"", b'{"query": "\xff"}'):
        answer = client.post("/v1/search", content=content, headers=headers)
        assert answer.status_code in (400, 422)
        problem(answer, answer.status_code, "malformed-request" if answer.status_code == 400 else "invalid-request")


def test_unknown_paths_and_methods_are_problems_too(client: httpx.Client) -> None:
    for path in ("/v2/search", "/v1/search/", "/docs/"):  # a redirect would lose what a proxy adds to the address
        problem(client.get(path), 404, "not-found")
    answer = client.delete("/v1/search")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, POST"


def test_a_query_of_too_many_characters_and_a_body_of_too_many_bytes_are_refused(client: httpx.Client) -> None:
    assert "4,000 characters" in problem(post(client, query="x" * 4001), 422, "invalid-request")["detail"]
    problem(post(client, query="x" * 2_000_000), 413, "request-too-large")


def test_a_chunked_body_is_counted_as_it_streams(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"query": "'
        for _ in range(40):
            yield b"x" * 65536

    answer = client.post("/v1/search", content=endless(), headers={"content-type": "application/json"})
    problem(answer, 413, "request-too-large")


def test_the_callers_request_id_comes_back_unless_it_could_do_harm(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"x-request-id": "abc-123"}).headers["x-request-id"] == "abc-123"
    for harmful in ("x" * 200, "a b", 'a"b'):
        assert client.get("/healthz", headers={"x-request-id": harmful}).headers["x-request-id"] != harmful


def test_the_docs_page_needs_no_other_host_and_shows_seven_languages(client: httpx.Client) -> None:
    page = client.get("/docs").text
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']+""", page) == []
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert client.get(f"/static-offline-docs/{asset}").status_code == 200
    operation = client.get("/openapi.json").json()["paths"]["/v1/search"]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    assert {language.code for language in LANGUAGES} < set(examples)
    assert examples["te"]["value"]["query"] == TELUGU
    assert {"400", "413", "422", "429", "503", "504"} < set(operation["responses"])


def test_every_documented_example_is_answered(client: httpx.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/v1/search"]["post"]
    for name, example in operation["requestBody"]["content"]["application/json"]["examples"].items():
        answer = client.post("/v1/search", json=example["value"])
        assert answer.status_code == 200, (name, answer.text)


@pytest.mark.parametrize("value", ['"\\ud800"', "NaN", "1e999", "9" * 40, '{"gte": 1}', "[[]]"])
def test_a_filter_value_that_no_index_can_hold_is_a_422(client: httpx.Client, value: str) -> None:
    body = f'{{"query": "x", "filter": {{"topic": {value}}}}}'
    problem(
        client.post("/v1/search", content=body, headers={"content-type": "application/json"}), 422, "invalid-request"
    )
    batch = f'{{"searches": [{body}, {{"query": "x"}}]}}'
    answer = client.post("/v1/search/batch", content=batch, headers={"content-type": "application/json"})
    bad, good = answer.json()["results"]
    assert (bad["error"]["status"], len(good["result"]["hits"])) == (422, 10)


def test_a_get_filter_of_thousands_of_digits_or_levels_is_a_422(client: httpx.Client) -> None:
    for text in ("9" * 5000, "[" * 20_000):
        problem(client.get("/v1/search", params={"q": "x", "filter": text}), 422, "invalid-request")


def test_a_body_without_the_json_header_is_told_what_to_send(client: httpx.Client) -> None:
    answer = client.post("/v1/search", content=b'{"query": "x"}', headers={"content-type": "text/plain"})
    assert "content-type: application/json" in problem(answer, 422, "invalid-request")["detail"]


def test_probes_may_use_head(client: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_explanations_take_turns_with_searches(client: httpx.Client, service: str) -> None:
    async def ask_all() -> list[int]:
        async with httpx.AsyncClient(base_url=service, timeout=60) as many:
            explain = {"query": TELUGU, "explain": True, "top_k": 10}
            bodies = [explain] * 6 + [{"query": TELUGU}] * 4
            return [
                answer.status_code
                for answer in await asyncio.gather(*(many.post("/v1/search", json=b) for b in bodies))
            ]

    assert asyncio.run(ask_all()) == [200] * 10


def test_an_unexpected_failure_is_a_problem_with_its_id_and_the_connection_lives(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret of the insides")

    with monkeypatch.context() as staged:
        staged.setattr("app.service.to_search", fail)
        for _ in range(2):
            details = problem(post(client, query="x"), 500, "internal-error")
            assert "secret" not in json.dumps(details)
    assert "a secret of the insides" in caplog.text  # the operator is told, with the request's id
    assert details["request_id"] in caplog.text
    assert post(client, query=TELUGU).status_code == 200


def test_a_failing_encoder_is_a_500_for_its_batch_and_no_more(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as staged:
        staged.setattr("app.encoder.np.full", fail)  # where a batch is padded
        problem(post(client, query="never asked before"), 500, "encoding-failed")
    assert post(client, query=TELUGU).status_code == 200


def test_a_preflight_that_is_refused_is_a_problem_too(serve: Serve, demo_bundle: Bundle, tmp_path: Path) -> None:
    ours = "https://search.example"
    settings = Settings(bundle=demo_bundle.folder, index=f"edge:{tmp_path}", cors_origins=ours)
    with serve(settings) as url, httpx.Client(base_url=url) as http:
        ask = {"origin": ours, "access-control-request-method": "POST"}
        allowed = http.options("/v1/search", headers=ask)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ours)
        other = http.options("/v1/search", headers=ask | {"origin": "https://other.example"})
        assert "Disallowed CORS origin" in problem(other, 400, "cors-refused")["detail"]
        assert "access-control-allow-origin" not in other.headers
        method = http.options("/v1/search", headers=ask | {"access-control-request-method": "DELETE"})
        problem(method, 400, "cors-refused")
        assert method.headers["access-control-allow-origin"] == ours
        assert "Origin" in method.headers["vary"]


def copy_of(built: Built, name: str) -> Path:
    """The index elsewhere: the shared one is in use by the shared service."""
    folder = built.vectors.parent / name
    shutil.copytree(built.index.removeprefix("edge:"), folder, symlinks=True)
    return folder


def test_an_index_that_counts_but_cannot_be_searched_is_not_ready(
    serve: Serve, demo_bundle: Bundle, built: Built
) -> None:
    folder = copy_of(built, "index-hollow")
    for chunk in folder.glob("passages-*/shard/segments/*/vector_storage/vectors/chunk_0.mmap"):
        chunk.write_bytes(b"")
    settings = Settings(bundle=demo_bundle.folder, index=f"edge:{folder}")
    with serve(settings) as url, httpx.Client(base_url=url) as http:
        answer = http.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_search_that_takes_too_long_is_a_504(serve: Serve, demo_bundle: Bundle, built: Built) -> None:
    """The time limit is so short that no real encoder can meet it."""
    settings = Settings(bundle=demo_bundle.folder, index=f"edge:{copy_of(built, 'index-504')}", timeout_s=0.0001)
    with serve(settings) as url, httpx.Client(base_url=url) as http:
        answer = http.post("/v1/search", json={"query": TELUGU})
        problem(answer, 504, "deadline-exceeded")
        assert int(answer.headers["retry-after"]) >= 1


def test_a_caller_that_hangs_up_leaves_the_service_well(client: httpx.Client, service: str) -> None:
    host = urllib.parse.urlsplit(service)
    body = json.dumps({"query": TELUGU * 20, "explain": True, "top_k": 20}).encode()
    head = (
        f"POST /v1/search HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )

    def ask_and_leave() -> None:
        with socket.create_connection((host.hostname, host.port)) as connection:  # type: ignore[arg-type]
            connection.sendall(head.encode() + body)

    threads = [threading.Thread(target=ask_and_leave) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert post(client, query=TELUGU, top_k=1).json()["hits"][0]["docid"] == "Eiffel Tower"
    metrics = client.get("/metrics").text
    assert 'route="/v1/search",status="499"' in metrics  # hung up, and no failure of the service


def test_a_body_of_many_wrong_fields_gets_a_short_answer(client: httpx.Client) -> None:
    body = {"query": "x"} | {f"wrong{number}": 1 for number in range(5_000)}
    details = problem(client.post("/v1/search", json=body), 422, "invalid-request")
    assert len(details["errors"]) == 20
    assert details["detail"].endswith("; and 4,995 more")


def test_a_filter_of_too_many_values_is_a_422(client: httpx.Client) -> None:
    values = [str(number) for number in range(1_001)]
    details = problem(post(client, query="x", filter={"topic": values}), 422, "invalid-request")
    assert "name at most 1,000" in details["detail"]


def test_a_batch_does_not_explain(client: httpx.Client) -> None:
    searches = [{"query": "x", "explain": True}, {"query": "x"}]
    refused, answered = client.post("/v1/search/batch", json={"searches": searches}).json()["results"]
    assert (refused["error"]["status"], len(answered["result"]["hits"])) == (422, 10)
