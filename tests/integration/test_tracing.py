"""Traces as a collector receives them: the caller's trace goes on through the service to Qdrant."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from app.bundle import Bundle
from app.errors import ConfigurationError, NotReady
from app.index import ServerAccess
from app.index.server import ServerIndex, connect
from app.languages import LANGUAGES
from app.tracing import Tracing
from tests.conftest import ROOT, Built
from tests.otlp import Receiver, receiving
from tests.qdrant_stub import running_stub

TELUGU = LANGUAGES[-1].example
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
SERVER_KIND, CLIENT_KIND = 2, 3


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@contextmanager
def service(variables: dict[str, str], log: Path) -> Iterator[str]:
    """``python -m app`` with an environment; ended with SIGTERM, and 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=ROOT,
            env=os.environ | variables | {"XQG_PORT": str(port)},
            stdout=sink,
            stderr=sink,
        )
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.ConnectError:
                time.sleep(0.05)
        yield url
        process.terminate()
        assert process.wait(timeout=60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def variables(demo_bundle: Bundle, built: Built, tmp_path: Path, receiver: Receiver) -> dict[str, str]:
    shutil.copytree(built.index.removeprefix("edge:"), tmp_path / "index", symlinks=True)
    return {
        "XQG_BUNDLE": str(demo_bundle.folder),
        "XQG_INDEX": f"edge:{tmp_path / 'index'}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }


def test_the_callers_trace_goes_on_and_each_stage_is_a_span_of_it(
    variables: dict[str, str], receiver: Receiver, tmp_path: Path
) -> None:
    with service(variables | {"XQG_OTEL": "true"}, tmp_path / "log") as url:
        assert httpx.post(f"{url}/v1/search", json={"query": TELUGU}, headers=HEADERS).status_code == 200
        httpx.get(f"{url}/v1/search", params={"q": TELUGU}).raise_for_status()
        spans = receiver.wait_for("POST /v1/search", "GET /v1/search")
    of_caller = {span.name: span for span in receiver.spans if span.trace_id == TRACE}
    assert set(of_caller) == {"POST /v1/search", "tokenize", "embed", "queue", "encode", "search"}
    request = of_caller["POST /v1/search"]
    assert (request.parent_id, request.kind, request.service) == (PARENT, SERVER_KIND, "xqg")
    assert request.attributes["http.route"] == "/v1/search"
    assert request.attributes["http.response.status_code"] == 200
    for parent, children in ((request, ("tokenize", "embed", "search")), (of_caller["embed"], ("queue", "encode"))):
        for name in children:
            child = of_caller[name]
            assert child.parent_id == parent.span_id
            assert parent.start_ns <= child.start_ns + 1e6  # the batcher reads another clock
            assert child.end_ns <= parent.end_ns
    assert of_caller["encode"].attributes["xqg.batch.queries"] == 1
    assert of_caller["queue"].end_ns == of_caller["encode"].start_ns
    assert spans["GET /v1/search"].trace_id != TRACE
    assert spans["GET /v1/search"].attributes["url.query"] == "REDACTED"
    assert not [span for span in receiver.spans if "readyz" in span.name]
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (access,) = (line for line in lines if line["message"] == "POST /v1/search 200")
    assert access["trace_id"] == TRACE


def test_without_the_switch_nothing_is_sent_whatever_the_variables_say(
    variables: dict[str, str], receiver: Receiver, tmp_path: Path
) -> None:
    variables |= {"FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_SERVICE_NAME": "x"}
    with service(variables, tmp_path / "log") as url:
        assert httpx.post(f"{url}/v1/search", json={"query": TELUGU}, headers=HEADERS).status_code == 200
    assert receiver.spans == []  # the end of the process would have sent them


def test_the_service_does_not_load_opentelemetrys_sdk_unless_asked() -> None:
    code = "import sys, app.__main__; print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_asked_for_and_not_installed_it_refuses_to_start(variables: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['opentelemetry.sdk.resources'] = None; "
        "sys.argv = ['app']; from app.__main__ import main; sys.exit(main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | variables | {"XQG_OTEL": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 2
    complaint = "XQG_OTEL is set, but opentelemetry.sdk.resources is not installed; install the extra `otel`"
    assert ended.stderr.splitlines()[-1] == f"error: {complaint}, or unset it"


def test_what_only_another_exporter_could_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(ConfigurationError, match="OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not supported"):
        Tracing(log_queries=False)


@contextmanager
def tracing_to(receiver: Receiver) -> Iterator[Tracing]:
    """Traces within; all are sent at the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        patch.setenv("OTEL_SERVICE_NAME", "mine")
        tracing = Tracing(log_queries=False)
    tracing.start()
    try:
        yield tracing
    finally:
        tracing.close()


def test_a_receiver_that_hangs_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setattr("app.tracing._SEND_S", 0.2)
        tracing = Tracing(log_queries=False)
        tracing.start()
        with tracing.stage("search"):
            pass
        tracing.close()
        deaf.settimeout(30)
        connection, _ = deaf.accept()  # it was asked, and is still asked now that all has ended
        with connection:
            assert connection.recv(4) == b"POST"
    assert "did not take the last ones" in caplog.text


class EmptyQdrant(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every call with an empty message (no alias, no collection), and keeps each call's metadata."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        self.calls.append(dict(details.invocation_metadata))
        return grpc.unary_unary_rpc_method_handler(lambda *_: b"")


async def test_a_call_to_qdrant_by_grpc_carries_the_trace_on(receiver: Receiver) -> None:
    qdrant = EmptyQdrant()
    server = grpc.server(ThreadPoolExecutor(1), handlers=[qdrant])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with tracing_to(receiver) as tracing:
        client = connect("http://127.0.0.1:9", ServerAccess(grpc_port=port))
        with tracing.stage("search"), pytest.raises(NotReady):
            await ServerIndex.open(client, "passages")
        with pytest.raises(NotReady):  # as a look at the alias does, with no request around it
            await ServerIndex.open(client, "passages")
        await client.close()
    server.stop(None)
    search = receiver.wait_for("search")["search"]
    calls = [span for span in receiver.spans if span.kind == CLIENT_KIND]
    assert [(call.trace_id, call.parent_id, call.service) for call in calls] == [
        (search.trace_id, search.span_id, "mine")
    ] * 2
    carried = [call["traceparent"].split("-")[1:3] for call in qdrant.calls]
    assert carried[:2] == [[call.trace_id, call.span_id] for call in calls]
    assert len(carried) == 4


async def test_a_call_to_qdrant_by_rest_carries_the_trace_on(receiver: Receiver) -> None:
    with running_stub() as qdrant, tracing_to(receiver) as tracing:
        client = connect(qdrant.url, ServerAccess(grpc_port=0))
        with tracing.stage("search"), pytest.raises(NotReady):
            await ServerIndex.open(client, "passages")
        await client.close()
    spans = receiver.wait_for("search")
    calls = [span for span in receiver.spans if span.kind == CLIENT_KIND]
    assert calls
    assert {(call.trace_id, call.parent_id) for call in calls} == {(spans["search"].trace_id, spans["search"].span_id)}
