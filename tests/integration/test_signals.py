"""Signals to live processes while clients search: a drained end, a killed and a stopped Qdrant server."""

import asyncio
import contextlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.settings import Settings
from tests.builds import Builds, of_one_index
from tests.conftest import Built
from tests.processes import Service, free_port, qdrant, service
from tests.qdrant_stub import Hang, QdrantStub, running_stub
from tests.tally import Tally, answers_again, searching, until

CLIENTS = 32


class Batches:
    """Requests that take a while: one from each client, of several searches."""

    query = "Missä on Eiffel-torni? " * 2
    searches = 6

    def __init__(self, url: str, tally: Tally, encoder: OnnxEncoder) -> None:
        self._url = url
        self._tally = tally
        (tokens,) = encoder.tokenize([self.query], Side.QUERY)
        self._tokens = len(tokens)
        self._embedded_before = self._sample()["xqg_batch_queries_sum"]

    async def ask_then(self, do: Callable[[], None]) -> None:
        """Send all, do something once the service has them all, and await the answers."""
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=self._url, timeout=120, limits=limits) as client:
            asked = [asyncio.ensure_future(self._ask(client)) for _ in range(CLIENTS)]
            await asyncio.to_thread(until, self._all_arrived)
            do()
            await asyncio.gather(*asked)

    async def _ask(self, client: httpx.AsyncClient) -> None:
        self._tally.sent += 1
        try:
            answer = await client.post("/v1/search/batch", json={"searches": [{"query": self.query}] * self.searches})
            self._tally.count(answer, lambda body: all("result" in each for each in body["results"]))
        except httpx.HTTPError as error:
            self._tally.lost.append(repr(error))

    def _all_arrived(self) -> bool:
        """Whether every search waits, is being embedded, or has been."""
        now = self._sample()
        embedded = now["xqg_batch_queries_sum"] - self._embedded_before
        return now["xqg_queue_tokens"] / self._tokens + embedded >= CLIENTS * self.searches

    def _sample(self) -> dict[str, float]:
        lines = httpx.get(f"{self._url}/metrics").text.splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_sigterm_to_the_service_and_a_second_one_with_requests_under_way(
    demo_bundle: Bundle, encoder: OnnxEncoder, built: Built, tally: Tally, tmp_path: Path
) -> None:
    shutil.copytree(built.index.removeprefix("edge:"), tmp_path / "index", symlinks=True)
    settings = {"bundle": demo_bundle.folder, "index": f"edge:{tmp_path / 'index'}", "timeout_s": 60, "drain_s": 60}
    with service(tmp_path / "log", **settings, drain_delay_s=3600) as app:
        with searching(app.url, tally, clients=CLIENTS):
            app.process.send_signal(signal.SIGTERM)
            until(lambda: httpx.get(f"{app.url}/readyz").status_code == 503)
            refusal = httpx.get(f"{app.url}/readyz").json()
            assert refusal["type"] == "urn:xqg:problem:not-ready"
            assert "is stopping; send requests elsewhere" in refusal["detail"]
            assert httpx.get(f"{app.url}/healthz").status_code == 200
            answers_again(tally)  # not ready, and still it answers
        before = tally.answered
        batches = Batches(app.url, tally, encoder)

        def end() -> None:
            app.process.send_signal(signal.SIGTERM)  # it has listened for long enough
            assert tally.answered < before + CLIENTS

        asyncio.run(batches.ask_then(end))
        assert app.process.wait() == 0, app.log.read_text()
    assert tally.answered == before + CLIENTS
    assert not tally.refused
    assert not tally.lost


def test_sigterm_to_the_service_with_requests_that_do_not_end(
    tiny_bundle: Bundle, tally: Tally, tmp_path: Path
) -> None:
    async def ask(url: str, path: str) -> None:
        tally.sent += 1
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            tally.count(await client.get(path), of_one_index)

    async def send_half(url: str) -> str:
        reader, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
        writer.write(b'POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"query"')
        answer = await reader.read()
        writer.close()
        return answer.decode()

    async def ask_and_end(app: Service, stub: QdrantStub) -> str:
        paths = ("/v1/search?q=x", "/v1/passages/a-1", "/readyz")
        asked = [asyncio.ensure_future(ask(app.url, path)) for path in paths]
        half = asyncio.ensure_future(send_half(app.url))
        await asyncio.to_thread(until, lambda: stub.staged("query") + stub.staged("retrieve") == 0)
        await asyncio.to_thread(until, lambda: "xqg_requests_in_flight 5.0" in httpx.get(f"{app.url}/metrics").text)
        app.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*asked)
        return await half

    with running_stub() as stub:
        Builds(tiny_bundle.encoder, url=stub.url).build("a")
        settings = {"bundle": tiny_bundle.folder, "index": stub.url, "qdrant_grpc_port": 0, "timeout_s": 60}
        with service(tmp_path / "log", **settings, drain_s=1) as app:
            for operation in ("query", "query", "retrieve"):
                stub.stage(operation, Hang(60))
            head, _, body = asyncio.run(ask_and_end(app, stub)).partition("\r\n\r\n")
            assert app.process.wait() == 0, app.log.read_text()
    assert tally.refused == {503: 3}
    assert not tally.lost
    assert head.startswith("HTTP/1.1 503 ")
    assert json.loads(body)["type"] == "urn:xqg:problem:not-ready"
    assert "Traceback" not in app.log.read_text()


@pytest.fixture
def qdrant_port() -> int:
    return free_port()


@pytest.fixture
def served(
    qdrant_port: int, tiny_bundle: Bundle, serve: Callable[[Settings], AbstractContextManager[str]]
) -> Iterator[tuple[str, Builds]]:
    """A service over a Qdrant server that need not be there yet, and what to build there."""
    where = f"http://127.0.0.1:{qdrant_port}"
    settings = Settings(
        bundle=tiny_bundle.folder, index=where, qdrant_grpc_port=0, timeout_s=3, index_watch_s=0.05, index_retry_s=0.1
    )
    with serve(settings) as url:
        yield url, Builds(tiny_bundle.encoder, url=where)


def test_sigstop_and_sigcont_then_sigkill_to_qdrant(qdrant_port: int, served: tuple[str, Builds], tally: Tally) -> None:
    url, builds = served
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(qdrant(qdrant_port))
        builds.build("a")
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        stack.enter_context(searching(url, tally, of_one_index))
        process.send_signal(signal.SIGSTOP)
        until(lambda: tally.refused[504] > 0 and tally.refused[503] > 16)
        process.send_signal(signal.SIGCONT)
        answers_again(tally)
        process.kill()
        before = tally.refused[503]
        until(lambda: tally.refused[503] > before + 16)
        process.wait()
        stack.enter_context(qdrant(qdrant_port))
        builds.build("b")  # it comes back empty, and is loaded anew
        answers_again(tally)
    assert not tally.lost
