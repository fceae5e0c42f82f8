"""evaluate --service: a real service answers as exact search does, and what differs is named."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from pydantic import SecretStr

from app.bundle import Bundle
from app.errors import ConfigurationError, ContractMismatch, GateFailed, ServiceUnavailable
from app.schemas import IndexInfo, Info
from app.settings import Settings
from offline.evaluate.checks import CheckRequest
from offline.evaluate.datasets import DatasetRequest
from offline.evaluate.job import EvaluateRequest, evaluate
from offline.evaluate.report.model import Report
from offline.evaluate.service_check import differences
from offline.evaluate.service_client import ServiceAddress, ServiceClient
from offline.load import LoadRequest, load
from tests.conftest import QUIET, SMALL_PASSAGES, Built, SmallCorpus
from tests.offline.evaluate.asked import Beir, ask
from tests.offline.evaluate.judged import system_of
from tests.runs import shuffle_queries

Serve = Callable[[Settings], AbstractContextManager[str]]
ALPHA = 0.05
KEY = "a key that is long enough".replace(" ", "-")


@pytest.fixture(scope="module")
def asked(small_corpus: SmallCorpus, tmp_path_factory: pytest.TempPathFactory) -> Beir:
    return ask(small_corpus, tmp_path_factory.mktemp("asked"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every text is embedded once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def another(built: Built, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A second index of the same content, since one process at a time has an Edge folder."""
    index = f"edge:{tmp_path_factory.mktemp('another')}"
    asyncio.run(load(LoadRequest(built.vectors, index, "passages", ALPHA), QUIET))
    return index


@pytest.fixture
def request_(
    asked: Beir, small_corpus: SmallCorpus, demo_bundle: Bundle, cache: Path, service: str, tmp_path: Path
) -> EvaluateRequest:
    """An evaluation of what the service serves, held to it."""
    dataset = DatasetRequest("beir", asked.folder, small_corpus.corpus, small_corpus.queries)
    checks = CheckRequest(service=ServiceAddress(service))
    return EvaluateRequest(dataset, [demo_bundle.folder], tmp_path / "report", alpha=ALPHA, cache=cache, checks=checks)


def test_a_service_that_serves_what_was_evaluated_agrees_and_the_report_says_so(
    asked: Beir,
    small_corpus: SmallCorpus,
    demo_bundle: Bundle,
    cache: Path,
    service: str,
    tmp_path: Path,
    run_offline: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Then its report is a baseline that the same evaluation passes, and one with the queries of others does not."""
    given = ("--dataset", "beir", "--data", asked.folder, "--corpus", small_corpus.corpus)
    given = (*given, "--bundle", demo_bundle.folder, "--cache", cache)
    made = ("--queries", small_corpus.queries, "--alpha", ALPHA)
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "third"
    # a service that asks for no key takes any
    done = run_offline("evaluate", *given, *made, "--output", first, "--service", service, "--api-key", KEY)
    assert done.returncode == 0, done.stderr
    text = (first / "report.json").read_text()
    report = Report.model_validate_json(text)
    (study,) = [study for study in report.studies if study.name == "service"]
    agreement = study.tables[0].rows[-1]
    assert agreement[:2] == ["all", f"{3 * SMALL_PASSAGES:,}"]
    assert [float(cell) for cell in agreement[2:5]] == [100, 100, 100]
    assert float(agreement[5]) < 1e-4
    assert {row.verdict for each in study.comparisons for row in each.rows.values()} == {"no difference shown"}
    live = report.systems[-1]
    assert live.name.endswith("+ xQG, live")
    for metric, means in report.systems[1].means.items():
        assert live.means[metric] == pytest.approx(means), metric
    assert [len(hits) for hits in live.top] == [10] * 3 * SMALL_PASSAGES  # as many as a report keeps
    assert KEY not in text
    assert "***" in report.command
    again = run_offline("evaluate", *given, *made, "--output", second, "--baseline", first / "report.json")
    assert again.returncode == 0, again.stderr
    assert f"held to {first / 'report.json'}" in again.stdout.replace("\n", "")
    lines = [json.loads(line) for line in small_corpus.queries.read_text().splitlines()]
    shuffled = tmp_path / "shuffled.jsonl"
    shuffled.write_text(
        "".join(
            json.dumps({"docid": line["docid"], "generated_queries": other["generated_queries"]}) + "\n"
            for line, other in zip(lines, [*lines[1:], lines[0]], strict=True)
        )
    )
    worse = ("--queries", shuffled, "--alpha", 0.5, "--output", third, "--baseline", first)
    refused = run_offline("evaluate", *given, *worse)
    assert refused.returncode == 8
    (line,) = refused.stderr.splitlines()
    assert re.match(rf"error: worse than {first}/report\.json by more than 1 points: bn MRR@100 \d+\.\d -> ", line)
    assert (third / "report.json").is_file()


def test_a_question_that_the_service_has_fused_is_compared_with_a_ranking_that_has_it_too(
    request_: EvaluateRequest, small_corpus: SmallCorpus, asked: Beir, tmp_path: Path
) -> None:
    fused = json.loads(small_corpus.queries.read_text().splitlines()[0])
    folder = tmp_path / "leaked"
    shutil.copytree(asked.folder, folder)
    leaked = {"_id": "leaked", "text": fused["generated_queries"]["fi"][0], "metadata": {"lang": "fi"}}
    with (folder / "queries.jsonl").open("a") as file:
        file.write("\n" + json.dumps(leaked))
    with (folder / "qrels.tsv").open("a") as file:
        file.write(f"\nleaked\t{fused['docid']}\t1")
    report = evaluate(
        replace(request_, dataset=replace(request_.dataset, data=folder), leaks="leave-out", depth=20), QUIET
    )
    (study,) = [study for study in report.studies if study.name == "service"]
    assert "nothing is left out" in study.summary
    assert float(study.tables[0].rows[-1][5]) < 1e-4
    apart, served, live = report.systems[1:]
    assert (served.name.rsplit(",")[-1], live.name.rsplit(",")[-1]) == (" as served", " live")
    (row,) = [row for row, question in enumerate(report.questions) if question.id == "leaked"]
    assert live.top[row][0].score > apart.top[row][0].score + 1e-3
    assert [len(hits) for hits in live.top] == [20] * len(report.questions)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"alpha": 0.1}, r"alpha is 0\.05 there and 0\.1 here"),
        (
            {"passages": SMALL_PASSAGES - 1},
            rf"number of passages is {SMALL_PASSAGES} there and {SMALL_PASSAGES - 1} he",
        ),
        ({"text": "other words"}, r"the corpus digest is [0-9a-f]{64} there and [0-9a-f]{64} here"),
        ({"wording": "أين؟"}, r"the queries digest is [0-9a-f]{64} there and [0-9a-f]{64} here"),
        ({"queries": 13}, r"queries per language is \{'ar': 96, .* there and \{'ar': 95, .* here"),
    ],
)
def test_a_service_that_serves_something_else_is_refused_before_anything_is_embedded(
    request_: EvaluateRequest, small_corpus: SmallCorpus, tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    passages = [json.loads(line) for line in small_corpus.corpus.read_text().splitlines()]
    queries = [json.loads(line) for line in small_corpus.queries.read_text().splitlines()]
    if "passages" in change:
        gone = passages.pop()["docid"]
        queries = [line for line in queries if line["docid"] != gone]
    if "text" in change:
        passages[0]["text"] = change["text"]
    if "wording" in change:
        queries[0]["generated_queries"]["ar"][0] = change["wording"]
    if "queries" in change:
        queries[0]["generated_queries"]["ar"].pop()
    corpus, generated = tmp_path / "corpus.jsonl", tmp_path / "queries.jsonl"
    corpus.write_text("".join(json.dumps(line) + "\n" for line in passages))
    generated.write_text("".join(json.dumps(line) + "\n" for line in queries))
    other = replace(
        request_,
        dataset=replace(request_.dataset, corpus=corpus, queries=generated),
        alpha=change.get("alpha", ALPHA),  # type: ignore[arg-type]
        cache=tmp_path / "cache",
    )
    with pytest.raises(ContractMismatch, match=complaint):
        evaluate(other, QUIET)
    assert not list(tmp_path.glob("cache/*"))


def test_a_service_with_another_encoder_is_refused(request_: EvaluateRequest, tiny_bundle: Bundle) -> None:
    with pytest.raises(
        ContractMismatch, match=r"the encoder's fingerprint is [0-9a-f]{64} there and [0-9a-f]{64} here"
    ):
        evaluate(replace(request_, bundles=[tiny_bundle.folder]), QUIET)


def test_an_index_that_is_not_what_it_says_measures_otherwise_and_fails_the_check(
    request_: EvaluateRequest, demo_bundle: Bundle, built: Built, serve: Serve, tmp_path: Path
) -> None:
    """Its queries are those of other passages, and its contract knows of nothing."""
    vectors, index = tmp_path / "vectors", tmp_path / "index"
    shutil.copytree(built.vectors, vectors)
    shuffle_queries(vectors)
    asyncio.run(load(LoadRequest(vectors, f"edge:{index}", "passages", 0.9), QUIET))
    (path,) = index.glob("passages-*/contract.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"alpha": ALPHA}))
    with serve(Settings(bundle=demo_bundle.folder, index=f"edge:{index}", timeout_s=120)) as url:
        held = replace(request_, checks=CheckRequest(service=ServiceAddress(url)))
        with pytest.raises(GateFailed, match=rf"the service {url} does not measure as exact search does.* offline and"):
            evaluate(held, QUIET)
    report = Report.model_validate_json((request_.output / "report.json").read_text())  # written all the same
    (study,) = [study for study in report.studies if study.name == "service"]
    assert "Differs by more than 1 points in: " in study.summary
    assert float(study.tables[0].rows[-1][5]) > 0.01


def test_means_may_differ_either_way_by_what_is_allowed() -> None:
    offline = system_of({}).model_copy(update={"means": {"R@10": {"ar": 0.5, "fi": 0.5, "macro": 0.5}}})
    live = system_of({}).model_copy(update={"means": {"R@10": {"ar": 0.48, "fi": 0.53, "macro": 0.51}}})
    assert differences(offline, live, ["R@10"], 0.02) == ["fi R@10 50.0 offline and 53.0 live"]
    assert differences(offline, live, ["R@10"], 0.03) == []


async def info_of(address: ServiceAddress) -> Info:
    async with ServiceClient(address) as client:
        return await client.info()


async def hits_of(address: ServiceAddress, questions: list[str], index: IndexInfo | None = None) -> list[list[str]]:
    """Docids per question."""
    async with ServiceClient(address) as client:
        served = index or (await client.info()).index
        assert served is not None
        found = await client.search(questions, 3, served, lambda count: None)
    return [[hit.docid for hit in hits] for hits in found]


def test_a_service_that_is_too_busy_for_all_questions_is_asked_the_rest_again(
    service: str, demo_bundle: Bundle, another: str, serve: Serve, asked: Beir
) -> None:
    questions = [each.text for each in asked.questions[:40]]
    settings = Settings(bundle=demo_bundle.folder, index=another, timeout_s=120, query_cache=0)
    with serve(settings.model_copy(update={"max_batch_tokens": 32, "max_queue_tokens": 150})) as small:
        found = asyncio.run(hits_of(ServiceAddress(small), questions))
        metrics = httpx.get(f"{small}/metrics").text
    (refused,) = re.findall(r'^xqg_rejections_total\{reason="overloaded"\} (.*)$', metrics, re.MULTILINE)
    assert float(refused) > 0
    assert found == asyncio.run(hits_of(ServiceAddress(service), questions))


async def test_a_service_with_keys_is_asked_with_one(demo_bundle: Bundle, another: str, serve: Serve) -> None:
    settings = Settings(bundle=demo_bundle.folder, index=another, timeout_s=120, api_keys=SecretStr(KEY))
    with serve(settings) as guarded:
        with pytest.raises(ConfigurationError, match=r"refuses the request \(401 .*\); set XQG_CLIENT_KEY"):
            await info_of(ServiceAddress(guarded))
        assert (await info_of(ServiceAddress(guarded, KEY))).index is not None
    assert KEY not in repr(ServiceAddress(guarded, KEY))


async def test_a_service_that_goes_over_to_another_index_meanwhile_is_not_mistaken_for_one(service: str) -> None:
    index = (await info_of(ServiceAddress(service))).index
    assert index is not None
    before = index.model_copy(update={"run_id": "before"})
    with pytest.raises(ServiceUnavailable, match=r"went over from .* while it was asked; run the same command again"):
        await hits_of(ServiceAddress(service), ["Mikä se on?"], before)


async def test_a_question_that_the_service_refuses_is_named(service: str) -> None:
    with pytest.raises(ConfigurationError, match=r"refuses the question '  ': .*blank"):
        await hits_of(ServiceAddress(service), ["Mikä se on?", "  "])


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("localhost:8000", "--service localhost:8000: give an address such as"),
        ("ftp://localhost", "--service ftp://localhost: give an address such as"),
        ("http://localhost:eighty", "--service http://localhost:eighty: .*; give an address such as"),
    ],
)
async def test_an_address_that_is_none_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        await info_of(ServiceAddress(url))


async def test_a_key_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="XQG_CLIENT_KEY is no key"):
        await info_of(ServiceAddress("http://localhost", "schlüssel"))


async def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="holds a password; give a key in XQG_CLIENT_KEY") as refused:
        await info_of(ServiceAddress("http://name:secret@localhost"))
    assert "secret" not in str(refused.value)


async def test_nobody_there_is_said_when_the_patience_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ServiceUnavailable, match=r"does not answer as it should: .*, tried for 0 s"):
        await info_of(ServiceAddress(f"http://127.0.0.1:{port}", retry_s=0))


async def test_a_service_that_never_answers_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = ServiceAddress(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2, retry_s=0)
        with pytest.raises(ServiceUnavailable, match=r"no whole answer within 0\.2 s"):
            await info_of(address)


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[str]:
    """A server that gives these answers, one a request, and the last one from then on."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            for name, value in (headers | {"content-length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_service_that_says_when_to_come_back_is_asked_then(service: str) -> None:
    info = httpx.get(f"{service}/v1/info").content
    with answering((503, {"Retry-After": "1"}, b"{}"), (429, {"Retry-After": "0"}, b"{}"), (200, {}, info)) as url:
        began = time.monotonic()
        assert asyncio.run(info_of(ServiceAddress(url))).index is not None
        assert time.monotonic() - began >= 1


async def test_what_is_no_service_of_ours_is_said_at_once(service: str) -> None:
    with (
        answering((200, {}, b"<html>It works!</html>")) as url,
        pytest.raises(ConfigurationError, match="is no xQG service of this version; check --service"),
    ):
        await info_of(ServiceAddress(url))
    with pytest.raises(ConfigurationError, match=r"refuses the request \(404 .*\); check --service"):
        await info_of(ServiceAddress(f"{service}/elsewhere"))
