"""Metrics: what an operator's queries may rely on, read as Prometheus reads it."""

import functools
import socket
import urllib.parse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.errors import PROBLEMS
from app.languages import LABELS, LANGUAGES, language_label
from app.memory import memory_limit_bytes
from app.metrics import Metrics
from app.retriever import SearchResult
from app.settings import Settings
from tests.conftest import SMALL_PASSAGES
from tests.contracts import contract

STAGES = ("queue", "tokenize", "encode", "search", "total")


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return samples(text).get((name, frozenset(labels.items())), 0.0)


def scrape(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def result(**seconds: float) -> SearchResult:
    times = dict.fromkeys((f"{stage}_s" for stage in STAGES), 0.001) | seconds
    return SearchResult(hits=[], matched_queries=[], truncated=False, index=None, **times)  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_question_without_a_tag_is_counted_by_its_script(language: Any) -> None:
    expected = "unknown" if language.script == "Latn" else language.code
    assert language_label(None, language.example) == expected
    assert language_label(language.code.upper(), "any text") == language.code


def test_tags_decide_and_labels_are_few() -> None:
    assert language_label("fi-FI", LANGUAGES[0].example) == "fi"
    assert language_label("sw", LANGUAGES[0].example) == "other"
    assert language_label("ZH_hant", "東京") == "other"
    assert language_label(None, "東京") == "unknown"  # as Chinese as Japanese
    assert language_label(None, "who painted the Мона Лиза") == "ru"
    assert language_label(None, "\x00 12 ?") == "unknown"


def test_series_whose_labels_are_known_exist_before_anything_happened() -> None:
    text = scrape(Metrics())
    present = samples(text)
    for lang in LABELS:
        assert ("xqg_searches_total", frozenset({("lang", lang)})) in present
        assert ("xqg_zero_hit_searches_total", frozenset({("lang", lang)})) in present
        for stage in STAGES:
            assert ("xqg_stage_seconds_count", frozenset({("lang", lang), ("stage", stage)})) in present
    for row in PROBLEMS.values():
        assert ("xqg_rejections_total", frozenset({("reason", row.slug)})) in present
    for outcome in ("hit", "miss"):
        assert ("xqg_query_cache_total", frozenset({("result", outcome)})) in present
    assert "_created" not in text
    assert "process_resident_memory_bytes" in text
    assert "python_gc_collections_total" in text


def test_each_stage_goes_to_its_own_series() -> None:
    metrics = Metrics()
    metrics.observe_search("te", result(queue_s=1, tokenize_s=2, encode_s=3, search_s=4, total_s=5))
    text = scrape(metrics)
    sums = [value(text, "xqg_stage_seconds_sum", lang="te", stage=stage) for stage in STAGES]
    assert sums == [1, 2, 3, 4, 5]
    assert value(text, "xqg_searches_total", lang="te") == 1
    assert value(text, "xqg_zero_hit_searches_total", lang="te") == 1


def test_a_batch_tells_its_tokens_and_what_of_them_is_padding() -> None:
    metrics = Metrics()
    metrics.batch([10, 4, 7])
    metrics.waiting(3, 21)
    text = scrape(metrics)
    assert value(text, "xqg_batch_queries_sum") == 3
    assert value(text, "xqg_batch_tokens_sum") == 30
    assert value(text, "xqg_padding_tokens_total") == 9
    assert (value(text, "xqg_queue_queries"), value(text, "xqg_queue_tokens")) == (3, 21)


def test_the_series_of_an_index_ends_with_the_index() -> None:
    metrics = Metrics()
    first, second = contract(passages=3, run_id="one"), contract(passages=5, run_id="two")
    serving: Any = None
    metrics.follow(lambda: serving)
    assert "xqg_index_info{" not in scrape(metrics)
    serving = SimpleNamespace(collection="passages-1", contract=first)
    labels = {"collection": "passages-1", "run_id": "one", "alpha": f"{first.alpha:g}"}
    assert value(scrape(metrics), "xqg_index_info", **labels) == 1
    serving = SimpleNamespace(collection="passages-2", contract=second)
    text = scrape(metrics)
    assert text.count("xqg_index_info{") == 1
    assert value(text, "xqg_index_info", **labels | {"collection": "passages-2", "run_id": "two"}) == 1
    assert value(text, "xqg_index_passages") == 5


def test_a_method_that_a_caller_made_up_makes_no_series_of_its_own() -> None:
    metrics = Metrics()
    for method in ("GET", "BREW", "WHEN"):
        metrics.observe_request(method, "other", 405, 0.001)
    text = scrape(metrics)
    assert value(text, "xqg_requests_total", method="other", route="other", status="405") == 2
    assert "BREW" not in text


def test_what_is_refused_is_counted_by_reason_alone_and_in_a_batch(client: httpx.Client) -> None:
    before = client.get("/metrics").text
    client.post("/v1/search", json={"query": ""})
    client.post("/v1/search", json={"query": "x" * 2_000_000})
    client.post("/v1/search/batch", json={"searches": [{"query": ""}, {"query": "x", "filter": {"a": 1}}]})
    client.get("/nowhere")
    after = client.get("/metrics").text

    def rise(reason: str) -> float:
        name = "xqg_rejections_total"
        return value(after, name, reason=reason) - value(before, name, reason=reason)

    assert (rise("invalid-request"), rise("request-too-large"), rise("not-found")) == (3, 1, 1)


def test_a_running_service_says_what_it_runs(client: httpx.Client) -> None:
    client.post("/v1/search", json={"query": LANGUAGES[0].example, "min_score": 0.9999})
    text = client.get("/metrics").text
    assert value(text, "xqg_zero_hit_searches_total", lang="ar") >= 1
    assert value(text, "xqg_requests_in_flight") == 1  # the scrape itself
    assert value(text, "xqg_index_passages") == SMALL_PASSAGES
    (encoder,) = (labels for name, labels in samples(text) if name == "xqg_encoder_info")
    assert dict(encoder)["engine"] == client.get("/v1/info").json()["encoder"]["engine"]
    assert value(text, "xqg_request_seconds_count", route="/v1/search", status="200") >= 1


def test_a_running_service_tells_the_limits_that_it_has(client: httpx.Client) -> None:
    present = samples(client.get("/metrics").text)
    assert present[("xqg_queue_tokens_limit", frozenset())] == Settings.model_fields["max_queue_tokens"].default
    assert present.get(("xqg_memory_limit_bytes", frozenset())) == memory_limit_bytes()


def test_a_memory_limit_is_told_as_it_is_now_and_not_at_all_where_there_is_none(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.metrics.memory_limit_bytes", functools.partial(memory_limit_bytes, tmp_path))

    def told() -> float | None:
        return samples(client.get("/metrics").text).get(("xqg_memory_limit_bytes", frozenset()))

    assert told() is None
    for content, expected in (("2147483648", 2 * 1024**3), ("4294967296", 4 * 1024**3), ("max", None)):
        (tmp_path / "memory.max").write_text(content + "\n")
        assert told() == expected


def test_an_answer_carries_its_timings_for_a_browser_too(client: httpx.Client) -> None:
    for answer in (
        client.post("/v1/search", json={"query": "x"}),
        client.get("/v1/search", params={"q": "x"}),
    ):
        timings = answer.json()["timings_ms"]
        assert set(timings) == set(STAGES)
        assert answer.headers["server-timing"] == ", ".join(f"{stage};dur={timings[stage]}" for stage in STAGES)


def test_what_the_http_server_refuses_itself_is_counted_too(client: httpx.Client, service: str) -> None:
    def malformed() -> float:
        line = next(line for line in client.get("/metrics").text.splitlines() if 'reason="malformed-request"' in line)
        return float(line.split()[-1])

    before = malformed()
    address = urllib.parse.urlsplit(service)
    with socket.create_connection((str(address.hostname), address.port or 80)) as connection:
        connection.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    assert malformed() == before + 1
