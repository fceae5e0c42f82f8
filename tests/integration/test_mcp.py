"""The tools, asked by the official client: over real HTTP, and over a real process's stdin and stdout."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from app import __version__
from app.bundle import Bundle
from app.languages import LANGUAGES
from app.settings import Settings
from offline.demo.tour import ANSWERS
from tests import processes
from tests.conftest import ROOT, Built
from tests.tally import until

KEY = "a-key-of-these-tests-0123456789"
TELUGU = LANGUAGES[-1].example
Serve = Callable[[Settings], AbstractContextManager[str]]

both_eras = pytest.mark.parametrize("era", ["legacy", "auto"])  # with the handshake of 2025, and without


@pytest.fixture(scope="module")
def settings(demo_bundle: Bundle, built: Built, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    index = tmp_path_factory.mktemp("mcp") / "index"
    shutil.copytree(built.index.removeprefix("edge:"), index, symlinks=True)
    return Settings(bundle=demo_bundle.folder, index=f"edge:{index}", timeout_s=120, mcp=True)


@pytest.fixture(scope="module")
def url(serve: Serve, settings: Settings) -> Iterator[str]:
    with serve(settings) as url:
        yield url


def text_of(result: Any) -> str:
    (content,) = result.content
    text: str = content.text
    return text


@both_eras
async def test_an_assistant_finds_the_tools_and_what_they_take(url: str, era: str) -> None:
    async with Client(f"{url}/mcp", mode=era) as client:
        tool, passage = (await client.list_tools()).tools
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.version) == ("xqg", __version__)
    assert tool.name == "search"
    assert set(tool.input_schema["properties"]) == {"query", "top_k", "lang", "filter", "min_score", "explain"}
    assert tool.input_schema["required"] == ["query"]
    assert (
        tool.input_schema["properties"]["top_k"] | {"default": 10, "minimum": 1, "maximum": 100}
        == (tool.input_schema["properties"]["top_k"])
    )
    assert "Fields now: topic (keyword)." in tool.input_schema["properties"]["filter"]["description"]
    assert set(tool.output_schema["properties"]) == {"hits", "truncated", "request_id"}
    assert passage.name == "passage"
    assert passage.input_schema["required"] == list(passage.input_schema["properties"]) == ["docid"]
    assert set(passage.output_schema["properties"]) == {"docid", "title", "text", "metadata", "request_id"}
    for each in (tool, passage):
        assert each.annotations.read_only_hint
        assert "/v1/" not in each.model_dump_json(), "an assistant has no routes"


@both_eras
async def test_a_question_in_each_language_finds_its_english_passage(url: str, era: str) -> None:
    async with Client(f"{url}/mcp", mode=era) as client:
        for language in LANGUAGES:
            result = await client.call_tool("search", {"query": language.example, "top_k": 2, "lang": language.code})
            assert not result.is_error
            first, second = result.structured_content["hits"]
            assert first["docid"] == ANSWERS[language.code]
            assert first["score"] > second["score"]
            assert json.loads(text_of(result)) == result.structured_content, "for clients that read the text alone"


async def test_the_tool_answers_as_the_route_does(url: str) -> None:
    asked = {"query": TELUGU, "top_k": 3, "filter": {"topic": "Arts"}, "min_score": 0.1, "explain": True}
    async with Client(f"{url}/mcp") as client:
        by_tool = (await client.call_tool("search", asked)).structured_content
    async with httpx.AsyncClient(base_url=url, timeout=120) as http:
        by_route = (await http.post("/v1/search", json=asked)).json()
    assert by_tool["hits"] == by_route["hits"]
    assert by_tool["truncated"] is False


@both_eras
async def test_a_passage_is_read_by_its_docid_without_its_generated_queries(url: str, era: str) -> None:
    async with Client(f"{url}/mcp", mode=era) as client:
        result = await client.call_tool("passage", {"docid": "Eiffel Tower"})
    async with httpx.AsyncClient(base_url=url, timeout=120) as http:
        by_route = (await http.get("/v1/passages/Eiffel Tower")).json()
    assert not result.is_error
    assert by_route.pop("generated_queries")
    assert by_route.items() <= result.structured_content.items()
    assert set(result.structured_content) - set(by_route) == {"request_id"}
    assert json.loads(text_of(result)) == result.structured_content


@both_eras
async def test_an_answer_has_the_id_of_its_request_as_the_log_has(url: str, era: str) -> None:
    async with (
        httpx2.AsyncClient(headers={"X-Request-ID": f"from-an-assistant-{era}"}, timeout=120) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=era) as client,
    ):
        found = await client.call_tool("search", {"query": TELUGU, "top_k": 1})
        unfit = await client.call_tool("search", {})
        read = await client.call_tool("passage", {"docid": "Eiffel Tower"})
    for answered in (found, read):
        assert answered.structured_content["request_id"] == f"from-an-assistant-{era}"
    assert text_of(unfit).endswith(f"(request from-an-assistant-{era})")


def refused(url: str, reason: str) -> float:
    line = f'xqg_rejections_total{{reason="{reason}"}} '
    return float(httpx.get(f"{url}/metrics").text.split(line)[1].split("\n")[0])


@pytest.mark.parametrize(
    ("tool", "arguments", "complaint"),
    [
        ("search", {}, "query: Field required"),
        ("search", {"query": " "}, "query: is blank; ask something"),
        ("search", {"query": "x", "top_k": "3"}, "top_k: Input should be a valid integer"),
        ("search", {"query": "x", "limit": 3}, "limit: Extra inputs are not permitted"),
        ("search", {"query": "x", "filter": {"year": 1900}}, "year"),
        ("search", {"query": "x" * 4001}, "longer than 4,000 characters"),
        ("passage", {}, "docid: Field required"),
        ("passage", {"docid": 7}, "docid: Input should be a valid string"),
        ("passage", {"docid": "Agra", "lang": "te"}, "lang: Extra inputs are not permitted"),
    ],
)
async def test_what_is_refused_is_told_to_the_model_and_counted(
    url: str, tool: str, arguments: dict[str, Any], complaint: str
) -> None:
    before = refused(url, "invalid-request")
    async with Client(f"{url}/mcp") as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert text_of(result).startswith("The request is not valid: ")
    assert complaint in text_of(result)
    assert refused(url, "invalid-request") == before + 1


async def test_a_passage_that_is_not_there_is_told_in_the_routes_words_and_counted(url: str) -> None:
    before = refused(url, "passage-not-found")
    async with Client(f"{url}/mcp") as client:
        result = await client.call_tool("passage", {"docid": "eiffel tower"})
    assert result.is_error
    assert refused(url, "passage-not-found") == before + 1
    async with httpx.AsyncClient(base_url=url, timeout=120) as http:
        problem = (await http.get("/v1/passages/eiffel tower")).json()
    assert text_of(result).startswith(f"{problem['title']}: {problem['detail']} (request ")


async def test_there_is_no_other_tool(url: str) -> None:
    async with Client(f"{url}/mcp") as client:
        with pytest.raises(MCPError, match="there is no tool 'delete'"):
            await client.call_tool("delete", {})


async def test_searches_by_tool_are_counted_by_language_and_by_route(url: str) -> None:
    def samples() -> list[float]:
        text = httpx.get(f"{url}/metrics").text
        lines = ('xqg_searches_total{lang="fi"} ', 'xqg_requests_total{method="POST",route="/mcp",status="200"} ')
        return [float(text.split(line)[1].split("\n")[0]) if line in text else 0.0 for line in lines]

    before = samples()
    async with Client(f"{url}/mcp") as client:
        await client.call_tool("search", {"query": "Kuka keksi puhelimen?", "lang": "fi"})
    searches, requests = samples()
    assert searches == before[0] + 1
    assert requests > before[1]


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a page", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def test_a_page_of_an_origin_that_nobody_named_is_refused(url: str) -> None:
    answer = httpx.post(f"{url}/mcp", json=INITIALIZE, headers=ACCEPT | {"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:xqg:problem:origin-refused"
    assert httpx.post(f"{url}/mcp", json=INITIALIZE, headers=ACCEPT).status_code == 200


def test_there_is_no_stream_to_hold_open_and_no_session_to_delete(url: str) -> None:
    for method in ("GET", "DELETE"):
        answer = httpx.request(method, f"{url}/mcp", headers=ACCEPT)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST"


def test_a_body_over_the_limit_is_refused_as_anywhere(url: str) -> None:
    answer = httpx.post(f"{url}/mcp", json={"x": "y" * 1_048_576}, headers=ACCEPT)
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:xqg:problem:request-too-large"


async def test_keys_are_asked_for_and_named_origins_may_ask(serve: Serve, settings: Settings, tmp_path: Path) -> None:
    index = tmp_path / "index"
    shutil.copytree(settings.index.removeprefix("edge:"), index, symlinks=True)
    own = {"index": f"edge:{index}", "api_keys": KEY, "cors_origins": "https://search.example"}
    sent = "authorization,content-type,mcp-method,mcp-name,mcp-protocol-version,mcp-session-id"
    preflight = {
        "Origin": "https://search.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": sent,
    }
    with serve(Settings(**(settings.model_dump() | own))) as url:
        async with httpx2.AsyncClient(timeout=120) as http:
            assert (await http.options(f"{url}/mcp", headers=preflight)).status_code == 200
            assert (await http.post(f"{url}/mcp", json=INITIALIZE, headers=ACCEPT)).status_code == 401
            http.headers.update({"Authorization": f"Bearer {KEY}", "Origin": "https://search.example"})
            async with Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client:
                result = await client.call_tool("search", {"query": TELUGU, "top_k": 1})
        assert result.structured_content["hits"][0]["docid"] == ANSWERS["te"]


@both_eras
async def test_the_tool_answers_while_the_service_drains(settings: Settings, tmp_path: Path, era: str) -> None:
    index = tmp_path / "index"
    shutil.copytree(settings.index.removeprefix("edge:"), index, symlinks=True)
    own = {"bundle": settings.bundle, "index": f"edge:{index}", "timeout_s": 120, "mcp": True}
    with processes.service(tmp_path / "log", **own, drain_delay_s=3600) as app:
        app.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(until, lambda: httpx.get(f"{app.url}/readyz").status_code == 503)
        async with Client(f"{app.url}/mcp", mode=era) as client:
            result = await client.call_tool("search", {"query": TELUGU, "top_k": 1})
        assert result.structured_content["hits"][0]["docid"] == ANSWERS["te"]
        app.process.send_signal(signal.SIGTERM)  # it has listened for long enough
        assert app.process.wait() == 0, app.log.read_text()


def test_without_the_setting_there_is_nothing_there(service: str) -> None:
    assert httpx.post(f"{service}/mcp", json=INITIALIZE, headers=ACCEPT).status_code == 404


@pytest.fixture
def variables(settings: Settings, tmp_path: Path) -> dict[str, str]:
    """Of a process with an index of its own."""
    index = tmp_path / "index"
    shutil.copytree(settings.index.removeprefix("edge:"), index, symlinks=True)
    return {"XQG_BUNDLE": str(settings.bundle), "XQG_INDEX": f"edge:{index}", "XQG_TIMEOUT_S": "120"}


@both_eras
async def test_a_process_answers_over_stdin_and_stdout(variables: dict[str, str], tmp_path: Path, era: str) -> None:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "app", "--stdio"], env=dict(os.environ) | variables, cwd=ROOT
    )
    async with Client(parameters, mode=era) as client:
        found = await client.call_tool("search", {"query": TELUGU, "top_k": 1})
        assert found.structured_content["hits"][0]["docid"] == ANSWERS["te"]
        unfit = await client.call_tool("search", {"query": "x", "filter": {"year": 1900}})
        assert unfit.is_error
        assert "topic" in text_of(unfit)
        read = await client.call_tool("passage", {"docid": found.structured_content["hits"][0]["docid"]})
        assert read.structured_content["text"] == found.structured_content["hits"][0]["text"]


def started(variables: dict[str, str]) -> subprocess.Popen[bytes]:
    """A process that has answered the handshake."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "--stdio"],
        cwd=ROOT,
        env=os.environ | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "xqg"
    return process


def test_the_process_ends_in_order_when_its_assistant_closes_stdin(variables: dict[str, str]) -> None:
    process = started(variables)
    rest, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    assert rest == b"", "nothing but the protocol goes to stdout"
    assert b"Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_in_order_on_a_signal(variables: dict[str, str], number: signal.Signals) -> None:
    process = started(variables)
    process.send_signal(number)
    try:
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_a_message_too_long_is_passed_over_and_the_next_is_answered(variables: dict[str, str]) -> None:
    process = started(variables)
    assert process.stdin is not None
    for size in (5_000_000, 20_000_000):  # over the limit, and over what waits in the pipe and the reader
        process.stdin.write(b'"' + b"x" * size + b'"\n')
    process.stdin.write(json.dumps(INITIALIZE | {"id": 2, "method": "ping", "params": {}}).encode() + b"\n")
    process.stdin.flush()
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["id"] == 2
    rest, log = process.communicate(timeout=120)
    assert (process.returncode, rest) == (0, b"")
    assert b"is passed over" in log


def test_the_process_ends_in_order_when_its_assistant_is_gone_before_an_answer(variables: dict[str, str]) -> None:
    process = started(variables)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(json.dumps(INITIALIZE | {"id": 2, "method": "ping", "params": {}}).encode() + b"\n")
    process.stdin.flush()
    with process.stderr, process.stdin:
        log = process.stderr.read()
    assert process.wait(timeout=120) == 0, log
    assert b"Traceback" not in log


def test_a_stdin_that_is_no_pipe_is_refused(variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "requests").write_text(json.dumps(INITIALIZE))
    with (tmp_path / "requests").open() as stdin:
        result = subprocess.run(
            [sys.executable, "-m", "app", "--stdio"],
            cwd=ROOT,
            env=os.environ | variables,
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("error: --stdio answers an assistant over a pipe")


def test_without_the_extra_the_start_is_refused_with_the_remedy(variables: dict[str, str]) -> None:
    hidden = "import runpy, sys; sys.modules['mcp'] = None; runpy.run_module('app', run_name='__main__')"
    for arguments, more in ((["--stdio"], {}), ([], {"XQG_MCP": "true"})):
        result = subprocess.run(
            [sys.executable, "-c", hidden, *arguments],
            cwd=ROOT,
            env=os.environ | variables | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert result.returncode == 2
        assert result.stderr.splitlines()[-1].endswith("which is not installed; pip install 'xqg[mcp]'")
