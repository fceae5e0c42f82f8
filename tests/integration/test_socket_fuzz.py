"""Bytes on a real socket that no client should send: never a failure, never a hang, and well afterwards."""

import json
import random
import re
import socket
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

TIMEOUT_S = 30
DOCUMENTED_5XX = {503, 504}
JSON_HEAD = b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"


@pytest.fixture(scope="module", autouse=True)
def _every_connection_is_let_go(server: uvicorn.Server) -> Iterator[None]:
    """Whatever was sent here, the server has no more connections afterwards than before."""
    connections = server.server_state.connections
    expected = max(1, len(connections))  # one is the tests' own client, which keeps it alive
    yield
    for _ in range(3_000):  # more than the service waits for anyone
        if len(connections) <= expected:
            return
        time.sleep(0.01)
    pytest.fail(f"{len(connections)} connections are left, not {expected}")


def with_body(body: bytes, head: bytes = JSON_HEAD) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def asking(query: str) -> bytes:
    return with_body(json.dumps({"query": query, "top_k": 1}, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def chunked(chunks: bytes) -> bytes:
    return JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks


GOOD = asking("Missä on Eiffel-torni?")
GET = b"GET /v1/search?q=x&top_k=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ODD: dict[str, bytes] = {
    "nothing": b"",
    "blank lines": b"\r\n" * 50,
    "half a method": b"PO",
    "half a head": GOOD[:40],
    "half a body": GOOD[:-10],
    "NUL bytes": b"\x00" * 1000,
    "NUL in the URL": GET.replace(b"q=x", b"q=\x00"),
    "NUL encoded": GET.replace(b"q=x", b"q=%00x"),
    "NUL in a header": GET.replace(b"Host: x", b"Host: \x00"),
    "NUL in a query": asking("a\x00b"),
    "lone surrogate as bytes": asking("\ud800"),
    "lone surrogate as an escape": with_body(b'{"query": "\\ud800"}'),
    "invalid UTF-8": with_body(b'{"query": "\xff\xfe"}'),
    "invalid UTF-8 in the URL": GET.replace(b"q=x", b"q=%ff%fe"),
    "UTF-16": with_body(json.dumps({"query": "x"}).encode("utf-16")),
    "1 MB of one character": asking("x" * 1_048_576),
    "over the limit, by its length": JSON_HEAD + b"Content-Length: 999999999999\r\n\r\n" + b"x" * 100,
    "right-to-left marks": asking("\u202e\u200f" * 1000),
    "right-to-left marks around a word": asking("\u202e" * 500 + "torni" + "\u200f" * 500),
    "zero-width flood": asking("\u200b" * 4000),
    "combining flood": asking("a" + "\u0301" * 3999),
    "two lengths": GOOD.replace(b"Content-Length", b"Content-Length: 3\r\nContent-Length"),
    "length and chunks": GOOD.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length"),
    "negative length": JSON_HEAD + b"Content-Length: -1\r\n\r\n{}",
    "bad chunk size": chunked(b"zz\r\n{}\r\n0\r\n\r\n"),
    "huge chunk size": chunked(b"ffffffffffffffffffff\r\n{}"),
    "chunks that end early": chunked(b"ff\r\n{}"),
    "trailers": chunked(b"2\r\n{}\r\n0\r\nX-API-Key: x\r\n\r\n"),
    "absolute form": GET.replace(b"/v1", b"http://x/v1"),
    "absolute form without a path": b"GET http://x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "authority form": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "asterisk form": b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "HTTP/1.0": b"GET /healthz HTTP/1.0\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": GET.replace(b"HTTP/1.1", b"HTTP/9.9"),
    "lower-case method": GET.replace(b"GET", b"get"),
    "unknown method": GET.replace(b"GET", b"BREW"),
    "pipelined": GET.replace(b"Connection: close\r\n", b"") * 5 + GET,
    "good, then rubbish": GET.replace(b"Connection: close\r\n", b"") + b"\x16\x03rubbish\r\n\r\n",
    "several good, then rubbish": GET.replace(b"Connection: close\r\n", b"") * 3 + b"RUBBISH\r\n\r\n",
    "endless trailer": chunked(b"2\r\n{}\r\n0\r\nX-A: ") + b"x" * 400_000,
    "long URL": GET.replace(b"q=x", b"q=" + b"x" * 70_000),
    "endless URL": b"GET /" + b"x" * 400_000,
    "huge header": GET.replace(b"Host: x", b"X-Huge: " + b"x" * 40_000),
    "endless header": b"GET / HTTP/1.1\r\nX-Huge: " + b"x" * 400_000,
    "many headers": GET.replace(b"Host: x", b"\r\n".join(b"X-%d: x" % n for n in range(500))),
    "bare line feeds": GET.replace(b"\r\n", b"\n"),
    "folded header": GET.replace(b"Host: x", b"Host: x\r\n folded"),
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    "websocket": GET.replace(b"Connection: close", b"Connection: Upgrade\r\nUpgrade: websocket"),
    "deep JSON": with_body(b'{"query": ' + b"[" * 100_000),
    "deep filter": with_body(b'{"query": "x", "filter": {"topic": ' + b'{"not":' * 500 + b'"x"' + b"}" * 500 + b"}}"),
    "a number of thousands of digits": with_body(b'{"query": "x", "top_k": ' + b"9" * 5000 + b"}"),
    "a score beyond floats": with_body(b'{"query": "x", "min_score": 1e999}'),
    "twice the same field": with_body(b'{"query": "a", "query": "b", "top_k": 1}'),
    "gzip": GOOD.replace(b"Connection", b"Content-Encoding: gzip\r\nConnection"),
    "gzip in truth": with_body(b"\x1f\x8b\x08\x00" + b"\x00" * 50),
    "wrong charset": GOOD.replace(b"application/json", b"application/json; charset=utf-7"),
    "form": GOOD.replace(b"application/json", b"application/x-www-form-urlencoded"),
    "expects to be told to go on": GOOD.replace(b"Connection", b"Expect: 100-continue\r\nConnection"),
}


def exchange(url: str, sent: bytes, patience_s: float = TIMEOUT_S) -> bytes:
    """Send and read to the end; a hang is a ``TimeoutError``.

    After ``patience_s`` without a byte, say that nothing more comes: what is unfinished would else
    wait for the service's own time limit.
    """
    address = urllib.parse.urlsplit(url)
    received = b""
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=TIMEOUT_S) as connection:
        try:
            connection.sendall(sent)
            connection.settimeout(patience_s)
            while True:
                try:
                    part = connection.recv(65_536)
                except TimeoutError:
                    if patience_s == TIMEOUT_S:
                        raise
                    patience_s = TIMEOUT_S
                    connection.settimeout(patience_s)
                    connection.shutdown(socket.SHUT_WR)
                    continue
                if not part:
                    return received
                received += part
        except (BrokenPipeError, ConnectionResetError):
            return received


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def check(url: str, sent: bytes, counts: Counter[str]) -> None:
    answer = exchange(url, sent, patience_s=0.2)
    found = statuses(answer)
    assert all(status < 500 or status in DOCUMENTED_5XX for status in found), (sent[:200], answer[:500])
    if found and found[-1] >= 400 and not sent.startswith(b"HEAD"):
        assert b"application/problem+json" in answer, (sent[:200], answer[:500])
    counts.update(map(str, found or ["none"]))


def is_well(client: httpx.Client) -> bool:
    return client.post("/v1/search", json={"query": "Missä on Eiffel-torni?", "top_k": 1}).status_code == 200


def no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    assert [record.getMessage() for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []


@pytest.mark.parametrize("name", ODD)
def test_odd_bytes_are_answered_or_cut_off(
    service: str, client: httpx.Client, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    check(service, ODD[name], Counter())
    assert is_well(client)
    no_traceback(caplog)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("over the limit, by its length", 413),
        ("long URL", 414),
        ("endless URL", 414),
        ("huge header", 431),
        ("endless header", 431),
        ("many headers", 431),
        ("TLS hello", 400),
        ("bad chunk size", 400),
        ("lone surrogate as an escape", 422),
        ("zero-width flood", 422),
        ("right-to-left marks", 422),
        ("HTTP/1.0", 200),
        ("absolute form", 200),
        ("websocket", 200),
        ("right-to-left marks around a word", 200),
    ],
)
def test_what_each_is_answered(service: str, name: str, status: int) -> None:
    assert statuses(exchange(service, ODD[name]))[-1:] == [status]


def test_pipelined_requests_are_all_answered(service: str) -> None:
    assert statuses(exchange(service, ODD["pipelined"])) == [200] * 6


@pytest.mark.parametrize("seed", range(4))
def test_random_mutations_of_good_requests(
    service: str, client: httpx.Client, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    for _ in range(60):
        sent = bytearray(chance.choice([GOOD, GET, chunked(b"2\r\n{}\r\n0\r\n\r\n"), with_body(b'{"searches": []}')]))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(sent))
            match chance.randrange(4):
                case 0:
                    sent[at] = chance.randrange(256)
                case 1:
                    del sent[at : at + chance.randint(1, 12)]
                case 2:
                    sent[at:at] = chance.randbytes(chance.randint(1, 12))
                case _:
                    sent[at:at] = sent[at : at + chance.randint(1, 40)]
            if not sent:
                break
        check(service, bytes(sent), counts)
    assert is_well(client)
    no_traceback(caplog)
    with capsys.disabled():
        print(f"\n  seed {seed}: 60 requests, answers by status: {dict(sorted(counts.items()))}")  # noqa: T201
