"""The tools where a caller hangs up, the service ends, or a request is none, over real HTTP."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

from mcp.types import CLIENT_CAPABILITIES_META_KEY, METHOD_NOT_FOUND, PROTOCOL_VERSION_META_KEY
from mcp_types.version import LATEST_MODERN_VERSION

from app.bundle import Bundle
from app.settings import Settings
from tests import processes
from tests.builds import Builds
from tests.qdrant_stub import Hang, QdrantStub, running_stub
from tests.tally import until

Serve = Callable[[Settings], AbstractContextManager[str]]
ERAS = ("legacy", "modern")  # with the handshake of 2025, and without


@pytest.fixture
def stub(tiny_bundle: Bundle) -> Iterator[QdrantStub]:
    with running_stub() as stub:
        Builds(tiny_bundle.encoder, url=stub.url).build("a")
        yield stub


@pytest.fixture
def settings(tiny_bundle: Bundle, stub: QdrantStub) -> dict[str, Any]:
    return {"bundle": tiny_bundle.folder, "index": stub.url, "qdrant_grpc_port": 0, "timeout_s": 60, "mcp": True}


def call(era: str, method: str = "tools/call", **params: Any) -> dict[str, Any]:
    """Options of ``httpx`` for a request."""
    headers = {"Accept": "application/json, text/event-stream"}
    if era == "modern":
        params["_meta"] = {PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION, CLIENT_CAPABILITIES_META_KEY: {}}
        headers |= {"MCP-Protocol-Version": LATEST_MODERN_VERSION, "Mcp-Method": method}
        headers |= {"Mcp-Name": params["name"]} if "name" in params else {}
    return {"json": {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, "headers": headers}


def read_a_passage(era: str) -> dict[str, Any]:
    return call(era, name="passage", arguments={"docid": "a-1"})


def metrics(url: str) -> str:
    return httpx.get(f"{url}/metrics").text


@pytest.mark.parametrize("era", ERAS)
def test_a_call_whose_caller_hangs_up_is_dropped(
    serve: Serve, settings: dict[str, Any], stub: QdrantStub, era: str
) -> None:
    with serve(Settings(**settings)) as url:
        whole = httpx.post(f"{url}/mcp", **read_a_passage(era)).json()
        assert whole["result"]["structuredContent"]["docid"] == "a-1"
        stub.stage("retrieve", Hang(60))
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/mcp", **read_a_passage(era), timeout=1)
        until(lambda: 'xqg_requests_total{method="POST",route="/mcp",status="499"} 1.0' in metrics(url))
        until(lambda: "xqg_index_calls_in_flight 0.0" in metrics(url))


def test_a_request_that_breaks_off_is_no_failure_of_the_service(
    serve: Serve, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with serve(Settings(**settings)) as url:
        host = httpx.URL(url)
        head = b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        with socket.create_connection((host.host, host.port or 80)) as connection:
            connection.sendall(head + b'{"jsonrpc"')
        until(lambda: 'xqg_requests_total{method="POST",route="/mcp",status="499"} 1.0' in metrics(url))
    assert caplog.messages == []


def test_a_stream_of_events_is_not_to_be_had(serve: Serve, settings: dict[str, Any]) -> None:
    with serve(Settings(**settings)) as url:
        answer = httpx.post(f"{url}/mcp", **call("modern", "subscriptions/listen", notifications={}))
        assert answer.json()["error"]["code"] == METHOD_NOT_FOUND


def test_calls_that_do_not_end_are_told_so_when_the_service_ends(
    settings: dict[str, Any], stub: QdrantStub, tmp_path: Path
) -> None:
    async def ask(url: str, era: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.post(f"{url}/mcp", **read_a_passage(era))

    async def ask_and_end(app: processes.Service) -> list[httpx.Response]:
        asked = [asyncio.ensure_future(ask(app.url, era)) for era in ERAS]
        await asyncio.to_thread(until, lambda: stub.staged("retrieve") == 0)
        app.process.send_signal(signal.SIGTERM)
        return await asyncio.gather(*asked)

    with processes.service(tmp_path / "log", **settings, drain_s=1) as app:
        stub.stage("retrieve", Hang(60), Hang(60))
        answers = asyncio.run(ask_and_end(app))
        assert app.process.wait() == 0
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert int(answer.headers["retry-after"]) >= 1
    assert "Traceback" not in app.log.read_text()
