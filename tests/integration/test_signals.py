"""Signals to live processes while clients search: a drained end, a killed and a stopped Qdrant server."""

import asyncio
import contextlib
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
from tests.processes import free_port, qdrant, service
from tests.tally import Tally, answers_again, searching, until

CLIENTS = 32


@pytest.fixture
def index(built: Built, tmp_path: Path) -> str:
    """A copy of the small index: an Edge folder serves one process."""
    folder = tmp_path / "index"
    shutil.copytree(built.index.removeprefix("edge:"), folder, symlinks=True)
    return f"edge:{folder}"


def test_sigterm_to_the_service_that_goes_on_listening_for_a_while(
    demo_bundle: Bundle, index: str, tally: Tally, tmp_path: Path
) -> None:
    with service(tmp_path / "log", bundle=demo_bundle.folder, index=index, timeout_s=60, drain_delay_s=3600) as app:
        with searching(app.url, tally, clients=CLIENTS):
            app.process.send_signal(signal.SIGTERM)
            until(lambda: httpx.get(f"{app.url}/readyz").status_code == 503)
            refusal = httpx.get(f"{app.url}/readyz").json()
            assert refusal["type"] == "urn:xqg:problem:not-ready"
            assert "is stopping; send requests elsewhere" in refusal["detail"]
            assert httpx.get(f"{app.url}/healthz").status_code == 200
            answers_again(tally)  # not ready, and still it answers
        app.process.send_signal(signal.SIGTERM)  # that is long enough
        assert app.process.wait() == 0, app.log.read_text()
    assert not tally.refused
    assert not tally.lost


def test_sigterm_to_the_service_with_searches_under_way(
    demo_bundle: Bundle, encoder: OnnxEncoder, index: str, tally: Tally, tmp_path: Path
) -> None:
    query, searches = "Missä on Eiffel-torni? " * 2, 6
    (tokens,) = encoder.tokenize([query], Side.QUERY)
    expected = CLIENTS * searches * len(tokens)

    async def ask(client: httpx.AsyncClient) -> None:
        tally.sent += 1
        try:
            answer = await client.post("/v1/search/batch", json={"searches": [{"query": query}] * searches})
            tally.count(answer, lambda body: all("result" in each for each in body["results"]))
        except httpx.HTTPError as error:
            tally.lost.append(repr(error))

    with service(tmp_path / "log", bundle=demo_bundle.folder, index=index, timeout_s=60, drain_s=60) as app:

        def arrived() -> bool:
            """Whether every search waits, is being embedded, or is answered."""
            sample = dict(line.split() for line in httpx.get(f"{app.url}/metrics").text.splitlines() if "#" not in line)
            embedded = float(sample["xqg_batch_queries_sum"]) - 1  # readiness embedded its canary
            return float(sample["xqg_queue_tokens"]) + embedded * len(tokens) >= expected

        async def ask_and_end() -> None:
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(base_url=app.url, timeout=120, limits=limits) as client:
                asked = [asyncio.ensure_future(ask(client)) for _ in range(CLIENTS)]
                await asyncio.to_thread(until, arrived)
                app.process.send_signal(signal.SIGTERM)
                assert tally.answered < CLIENTS
                await asyncio.gather(*asked)

        asyncio.run(ask_and_end())
        assert app.process.wait() == 0, app.log.read_text()
    assert tally.answered == CLIENTS
    assert not tally.lost


@pytest.fixture
def qdrant_port() -> int:
    return free_port()


@pytest.fixture
def served(
    qdrant_port: int, demo_bundle: Bundle, serve: Callable[[Settings], AbstractContextManager[str]]
) -> Iterator[tuple[str, Builds]]:
    """A service over a Qdrant server that need not be there yet, and what to build there."""
    where = f"http://127.0.0.1:{qdrant_port}"
    settings = Settings(
        bundle=demo_bundle.folder, index=where, qdrant_grpc_port=0, timeout_s=3, index_watch_s=0.05, index_retry_s=0.1
    )
    with serve(settings) as url:
        yield url, Builds(demo_bundle.encoder, url=where)


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
