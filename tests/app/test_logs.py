"""Logs: what one request leaves behind, as JSON and as text, and what it never does."""

import asyncio
import io
import json
import logging
import socket
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from app import logs
from app.bundle import Bundle
from app.languages import LANGUAGES
from app.settings import Settings
from tests.app.test_http import copy_of
from tests.conftest import Built

TELUGU = LANGUAGES[-1].example
SECRET = "not-for-the-log"


@pytest.fixture
def written() -> Iterator[Callable[..., io.StringIO]]:
    """Configure the process's logs into a buffer; what was there before comes back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(log_format: Any = "json", log_level: Any = "info") -> io.StringIO:
        stream = io.StringIO()
        root.handlers = []
        logs.configure(log_format, log_level, stream)
        return stream

    yield configure
    root.handlers = handlers
    root.setLevel(level)
    logging.getLogger("app").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def accesses(stream: io.StringIO) -> list[dict[str, Any]]:
    return [entry for entry in entries(stream) if entry["logger"] == "app.observer"]


def test_a_request_is_one_line_with_what_an_operator_asks_for(
    client: httpx.Client, written: Callable[..., io.StringIO]
) -> None:
    stream = written()
    headers = {"x-request-id": "mine-1", "authorization": SECRET}
    client.post("/v1/search", json={"query": TELUGU, "top_k": 3}, headers=headers)
    (entry,) = accesses(stream)
    assert entry.pop("duration_ms") > 0
    assert entry.pop("timestamp").endswith("+00:00")
    assert entry == {
        "level": "INFO",
        "logger": "app.observer",
        "message": "POST /v1/search 200",
        "method": "POST",
        "route": "/v1/search",
        "status": 200,
        "request_id": "mine-1",
        "lang": "te",
        "top_k": 3,
        "hits": 3,
    }
    assert SECRET not in stream.getvalue()


def test_problems_and_batches_say_what_became_of_them(
    client: httpx.Client, written: Callable[..., io.StringIO]
) -> None:
    stream = written()
    client.get("/v1/search", params={"q": TELUGU, "filter": '{"colour": 1}'})
    client.post("/v1/search/batch", json={"searches": [{"query": TELUGU}, {"query": ""}]})
    client.get(f"/{SECRET}")
    refused, batch, unknown = accesses(stream)
    assert (refused["status"], refused["problem"], refused["lang"]) == (422, "invalid-request", "te")
    assert (batch["searches"], batch["failed"]) == (2, 1)
    assert (unknown["route"], unknown["problem"]) == ("other", "not-found")
    assert SECRET not in stream.getvalue()
    assert TELUGU not in stream.getvalue()


def test_probes_and_scrapes_are_for_those_who_debug(client: httpx.Client, written: Callable[..., io.StringIO]) -> None:
    for level, expected in (("info", []), ("debug", ["/healthz", "/readyz", "/metrics"])):
        stream = written(log_level=level)
        for path in ("/healthz", "/readyz", "/metrics"):
            client.get(path)
        assert [entry["route"] for entry in accesses(stream)] == expected


def test_a_failure_is_one_json_line_with_its_traceback_and_request(
    client: httpx.Client, written: Callable[..., io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("కారణం")

    stream = written()
    with monkeypatch.context() as staged:
        staged.setattr("app.service.to_search", fail)
        answer = client.post("/v1/search", json={"query": "x"}).json()
    failure, access = entries(stream)
    assert failure["level"] == "ERROR"
    assert "Traceback" in failure["exception"]
    assert "ZeroDivisionError: కారణం" in failure["exception"]
    assert failure["request_id"] == access["request_id"] == answer["request_id"]
    assert "కారణం" in stream.getvalue()  # to be read as it is, not as \u escapes


async def test_requests_at_once_keep_their_ids_apart(service: str, written: Callable[..., io.StringIO]) -> None:
    stream = written()
    asked = {(f"request-{number}", number) for number in range(1, 21)}
    async with httpx.AsyncClient(base_url=service, timeout=60) as http:
        await asyncio.gather(
            *(
                http.post("/v1/search", json={"query": "x", "top_k": top_k}, headers={"x-request-id": request_id})
                for request_id, top_k in asked
            )
        )
    assert {(entry["request_id"], entry["top_k"]) for entry in accesses(stream)} == asked


def test_what_is_refused_before_it_is_read_is_logged_under_the_id_that_the_client_was_told(
    service: str, written: Callable[..., io.StringIO]
) -> None:
    stream = written()
    address = urllib.parse.urlsplit(service)
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=30) as connection:
        connection.sendall(b"RUBBISH\r\n\r\n")
        answer = connection.makefile("rb").read()
    (entry,) = [entry for entry in entries(stream) if entry["logger"] == "app.http11"]
    assert (entry["status"], entry["problem"]) == (400, "malformed-request")
    assert entry["request_id"] == json.loads(answer.partition(b"\r\n\r\n")[2])["request_id"]


def test_an_id_that_a_line_has_is_not_replaced(written: Callable[..., io.StringIO]) -> None:
    stream = written()
    token = logs.REQUEST_ID.set("around")
    logging.getLogger("app").info("x", extra={"request_id": "its-own"})
    logging.getLogger("app").info("y")
    logs.REQUEST_ID.reset(token)
    assert [entry["request_id"] for entry in entries(stream)] == ["its-own", "around"]


def test_queries_are_logged_only_when_asked_for_and_stay_readable(
    serve: Callable[[Settings], AbstractContextManager[str]],
    demo_bundle: Bundle,
    built: Built,
    written: Callable[..., io.StringIO],
) -> None:
    stream = written()
    index = f"edge:{copy_of(built, 'index-logged')}"
    with serve(Settings(bundle=demo_bundle.folder, index=index, log_queries=True)) as url:
        for language in LANGUAGES:
            httpx.post(f"{url}/v1/search", json={"query": language.example}, timeout=60)
    assert [entry["query"] for entry in accesses(stream)] == [language.example for language in LANGUAGES]
    for language in LANGUAGES:
        assert language.example in stream.getvalue()


def test_libraries_and_warnings_log_in_the_same_shape(written: Callable[..., io.StringIO]) -> None:
    stream = written()
    logging.getLogger("uvicorn.error").info("started %d", 5, extra={"color_message": "\x1b[36m5"})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    logging.getLogger("httpx").info("a call")
    logging.getLogger("mcp.server.streamable_http").info("Terminating session: None")
    started, warned = entries(stream)
    assert (started["logger"], started["message"]) == ("uvicorn.error", "started 5")
    assert "color_message" not in started
    assert (warned["logger"], "old" in warned["message"]) == ("py.warnings", True)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_what_a_library_notes_for_itself_is_left_out(written: Callable[..., io.StringIO], log_format: str) -> None:
    stream = written(log_format)
    logging.getLogger("app").info("x", extra={"_noted": 5, "hits": 3})
    assert "hits" in stream.getvalue()
    assert "noted" not in stream.getvalue()


def test_libraries_that_debug_would_tell_keys_and_do_not(written: Callable[..., io.StringIO]) -> None:
    stream = written(log_level="debug")
    logging.getLogger("hpack.hpack").debug("Adding (b'api-key', b'%s') to the header table", SECRET)
    logging.getLogger("app").debug("ours")
    assert [entry["message"] for entry in entries(stream)] == ["ours"]


def test_text_is_a_line_for_a_person_and_no_value_breaks_it(written: Callable[..., io.StringIO]) -> None:
    stream = written("text")
    logging.getLogger("app").warning(
        "POST %s", "/v1/search", extra={"hits": 3, "id": "0a-1", "query": "ఎక్కడ?\nERROR \x9bforged"}
    )
    (line,) = stream.getvalue().splitlines()
    assert line[8:] == ' WARNING POST /v1/search hits=3 id=0a-1 query="ఎక్కడ?\\nERROR \\u009bforged"'


def test_auto_is_json_where_no_terminal_listens(written: Callable[..., io.StringIO]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = written("auto")
    logging.getLogger("app").info("x")
    assert entries(stream)[0]["message"] == "x"
    terminal = Terminal()
    logs.configure("auto", "info", terminal)
    logging.getLogger("app").info("x")
    assert terminal.getvalue().endswith(" INFO x\n")
