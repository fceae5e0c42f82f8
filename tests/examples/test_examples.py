"""The examples, run as their readers run them, against the real service."""

import email.utils
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from app.bundle import Bundle
from app.settings import Settings
from offline.demo.tour import ANSWERS
from tests.conftest import ROOT, SMALL_PASSAGES, Built
from tests.processes import free_port
from tests.scripted import Answer, problem, scripted

EXAMPLES = ROOT / "examples"


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run an example with the client at hand, and return what it printed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client"), "PYTHONIOENCODING": "utf-8"} | variables
    return subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def lines_of(result: subprocess.CompletedProcess[str]) -> list[str]:
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.splitlines()


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


def answers_of(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """One JSON object a line, but for the titles."""
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines() if not line.startswith("#")]


def test_curl_asks_in_five_languages_and_of_a_passage(service: str) -> None:
    answers = answers_of(run(EXAMPLES / "search.sh", XQG_CLIENT_URL=service))
    telugu, arabic, finnish, several, passage, explained, info = answers
    assert [answer["hits"][0]["docid"] for answer in (telugu, arabic, finnish)] == [
        ANSWERS[lang] for lang in ("te", "ar", "fi")
    ]
    assert [item["result"]["hits"][0]["docid"] for item in several["results"]] == [ANSWERS["ja"], ANSWERS["ko"]]
    assert set(passage["generated_queries"]) == set(ANSWERS)
    assert len(explained["matched_queries"]) == sum(map(len, passage["generated_queries"].values()))
    assert info["index"]["passages"] == SMALL_PASSAGES


def test_curl_makes_every_request_of_the_interface() -> None:
    with scripted(Answer(200, {})) as script:
        answers_of(run(EXAMPLES / "search.sh", XQG_CLIENT_URL=f"{script.url}/"))
    document = json.loads((ROOT / "tests" / "golden" / "openapi.json").read_text(encoding="utf-8"))
    known = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    asked = {(each.method, each.path.split("?")[0].replace("Eiffel%20Tower", "{docid}")) for each in script.asked}
    assert asked == {(method, path) for method, path in known if path.startswith("/v1/")}


def test_curl_shows_the_last_of_several_answers_alone() -> None:
    refused = problem(429, "overloaded", Retry_After="1")
    with scripted(refused, Answer(200, {"answered": True})) as script:
        answers = answers_of(run(EXAMPLES / "search.sh", XQG_CLIENT_URL=script.url))
    assert len(answers) == len(script.asked) - 1
    assert all(answer == {"answered": True} for answer in answers)


def test_curl_shows_the_problem_and_fails_where_the_service_refuses() -> None:
    with scripted(problem(401, "unauthorized")) as script:
        result = run(EXAMPLES / "search.sh", XQG_CLIENT_URL=script.url, XQG_CLIENT_KEY="secret")
    assert result.returncode == 22
    assert "staged 401" in result.stdout
    assert [asked.headers["authorization"] for asked in script.asked] == ["Bearer secret"]


def test_curl_does_not_show_the_key_among_its_arguments(tmp_path: Path) -> None:
    curl = shutil.which("curl")
    (tmp_path / "curl").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path / "arguments"}\nexec {curl} "$@"\n')
    (tmp_path / "curl").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    with scripted(Answer(200, {})) as script:
        answers_of(run(EXAMPLES / "search.sh", XQG_CLIENT_URL=script.url, XQG_CLIENT_KEY="secret", PATH=path))
    assert {asked.headers["authorization"] for asked in script.asked} == {"Bearer secret"}
    assert f"{script.url}/v1/info" in (tmp_path / "arguments").read_text()
    assert "secret" not in (tmp_path / "arguments").read_text()


def test_python_explains_a_hit_and_tells_the_refused_of_a_batch(service: str) -> None:
    lines = lines_of(run(sys.executable, EXAMPLES / "search_sync.py", service))
    assert lines[1].startswith(f"1. {ANSWERS['ru']} (0.")
    assert lines[2].split()[1] in ANSWERS
    assert lines[-3].endswith(f"-> {ANSWERS['bn']}")
    assert lines[-2].endswith(f"-> {ANSWERS['te']}")
    assert lines[-1] == "refused: query: is blank; ask something"


def test_asyncio_asks_in_all_seven_languages(service: str) -> None:
    lines = lines_of(run(sys.executable, EXAMPLES / "search_async.py", service))
    assert [line.split(":")[0] for line in lines] == list(ANSWERS)
    for line, docid in zip(lines, ANSWERS.values(), strict=True):
        assert f"-> {docid} (" in line


@pytest.mark.parametrize("example", ["search_sync.py", "search_async.py"])
@pytest.mark.parametrize(
    ("url", "complaint"),
    [("http://127.0.0.1:9", "no answer from 127.0.0.1:9: "), ("127.0.0.1:9", "base_url is no address of a service; ")],
)
def test_python_ends_with_one_line_where_nobody_answers(example: str, url: str, complaint: str) -> None:
    result = run(sys.executable, EXAMPLES / example, url)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {complaint}")
    assert result.stderr.count("\n") == 1


def test_node_asks_and_explains_in_four_languages_and_shows_a_refusal(service: str) -> None:
    lines = lines_of(run(node(), EXAMPLES / "search_node.mjs", service))
    assert lines.pop() == "refused: query: is blank; ask something"
    for answered, explained, lang in zip(lines[::2], lines[1::2], ("fi", "ja", "ko", "te"), strict=True):
        assert answered.startswith(f"{lang}: ")
        assert f"-> {ANSWERS[lang]} (" in answered
        assert explained.startswith("    closest generated query: ")
        assert f"({lang}, " in explained


def test_node_ends_with_one_line_where_nobody_answers_or_all_is_refused() -> None:
    nobody = run(node(), EXAMPLES / "search_node.mjs", f"http://127.0.0.1:{free_port()}")
    with scripted(problem(401, "unauthorized")) as script:
        refused = run(node(), EXAMPLES / "search_node.mjs", script.url)
    for result, complaint in [(nobody, "error: connect ECONNREFUSED"), (refused, "error: 401 Unauthorized: staged")]:
        assert result.returncode == 1
        assert result.stderr.startswith(complaint)
        assert result.stderr.count("\n") == 1


CALL = 'import {{ search }} from "{}/xqg.mjs"; console.log(JSON.stringify(await search("{}", "x").catch((e) => e)))'


def call_from_node(url: str) -> dict[str, object]:
    (line,) = lines_of(run(node(), "--input-type=module", "--eval", CALL.format(EXAMPLES, url)))
    answer: dict[str, object] = json.loads(line)
    return answer


def test_javascript_asks_again_what_is_refused_for_a_while() -> None:
    with scripted(problem(429, "overloaded", Retry_After="0"), Answer(200, {"hits": []})) as script:
        assert call_from_node(script.url) == {"hits": []}
    assert len(script.asked) == 2


def test_javascript_asks_again_where_a_proxy_refuses_in_words_of_its_own() -> None:
    with scripted(Answer(503, {"status": "down", "code": 7}), Answer(200, {"hits": []})) as script:
        assert call_from_node(script.url) == {"hits": []}
    assert len(script.asked) == 2


def test_javascript_does_not_wait_for_longer_than_it_says() -> None:
    with scripted(problem(503, "not-ready", Retry_After="600")) as script:
        assert call_from_node(script.url)["retryAfterS"] == 600
    assert len(script.asked) == 1


def test_javascript_reads_a_retry_after_that_is_a_date() -> None:
    in_a_minute = email.utils.formatdate(time.time() + 60, usegmt=True)
    with scripted(problem(404, "staged", Retry_After=in_a_minute)) as script:
        assert call_from_node(script.url)["retryAfterS"] == pytest.approx(60, abs=5)


def test_javascript_takes_a_url_that_ends_in_a_slash() -> None:
    with scripted(Answer(200, {"hits": []})) as script:
        call_from_node(f"{script.url}/behind/a/proxy/")
    assert [asked.path for asked in script.asked] == ["/behind/a/proxy/v1/search"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (problem(422, "invalid-request"), {"status": 422, "detail": "staged 422", "requestId": "id-invalid-request"}),
        (Answer(502, "<h1>"), {"status": 502, "detail": "no problem document"}),
    ],
)
def test_javascript_throws_the_problem_that_stays(answer: Answer, expected: dict[str, object]) -> None:
    with scripted(answer) as script:
        thrown = call_from_node(script.url)
    assert expected.items() <= thrown.items()
    assert len(script.asked) == 1


@contextmanager
def files_served(folder: Path) -> Iterator[str]:
    """Another origin, which serves a folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_of_another_origin_asks_from_a_browser(
    serve: Callable[[Settings], AbstractContextManager[str]], demo_bundle: Bundle, built: Built, tmp_path: Path
) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    index = tmp_path / "index"
    shutil.copytree(built.index.removeprefix("edge:"), index, symlinks=True)
    with files_served(EXAMPLES) as origin, playwright.sync_playwright() as driver:
        settings = Settings(bundle=demo_bundle.folder, index=f"edge:{index}", timeout_s=120, cors_origins=origin)
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with serve(settings) as url:
            page = browser.new_page()
            page.goto(f"{origin}/browser.html?url={url}")
            page.get_by_role("button", name="Ask").click()
            playwright.expect(page.get_by_role("listitem").first).to_contain_text(ANSWERS["ar"])
            assert page.get_by_role("listitem").count() == 3
            page.get_by_label("Question").fill(" " * 3)
            page.get_by_role("button", name="Ask").click()
            playwright.expect(page.get_by_role("listitem").first).to_contain_text("is blank; ask something")
        browser.close()
