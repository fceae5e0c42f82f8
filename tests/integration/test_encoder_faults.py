"""The encoder fails, ends its thread or hangs while clients search; the clock jumps.

The faults are put around the real encoder; nobody can make it fail by asking.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder, Tokens
from app.settings import Settings
from app.vectors import Vectors
from tests.builds import Builds, of_one_index
from tests.processes import service
from tests.tally import Tally, answers_again, searching, until

POISON = "poison poison poison poison poison"
Staging = Callable[[Sequence[Tokens]], None]


class Fault:
    """What happens to a batch before the encoder gets it; nothing, until it is set."""

    def __init__(self, encode: Callable[[OnnxEncoder, Sequence[Tokens], Side], Vectors]) -> None:
        self.encode = encode
        self.staged: Staging = lambda _: None

    def __call__(self, encoder: OnnxEncoder, batch: Sequence[Tokens], side: Side) -> Vectors:
        self.staged(batch)
        return self.encode(encoder, batch, side)


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    fault = Fault(OnnxEncoder.encode)
    monkeypatch.setattr(OnnxEncoder, "encode", lambda *args, **kwargs: fault(*args, **kwargs))
    return fault


@pytest.fixture
def url(
    fault: Fault, tiny_bundle: Bundle, tmp_path: Path, serve: Callable[[Settings], AbstractContextManager[str]]
) -> Iterator[str]:
    builds = Builds(tiny_bundle.encoder, folder=tmp_path)
    builds.build("a")
    settings = Settings(
        bundle=tiny_bundle.folder, index=f"edge:{tmp_path}", timeout_s=2, encoder_threads=2, query_cache=0
    )
    with serve(settings) as url:
        yield url


def search(url: str, query: str) -> httpx.Response:
    return httpx.post(f"{url}/v1/search", json={"query": query, "top_k": 3}, timeout=60)


def test_a_poisoned_query_fails_alone(url: str, fault: Fault, tally: Tally, tiny_bundle: Bundle) -> None:
    (poison,) = OnnxEncoder(tiny_bundle).tokenize([POISON], Side.QUERY)

    def spoil(batch: Sequence[Tokens]) -> None:
        if poison in batch:
            raise RuntimeError("staged")

    with searching(url, tally, of_one_index):
        fault.staged = spoil
        for _ in range(10):
            answer = search(url, POISON)
            assert (answer.status_code, answer.json()["type"]) == (500, "urn:xqg:problem:encoding-failed")
        answers_again(tally)
    assert not tally.lost
    assert not tally.refused


def test_the_encoders_threads_are_told_to_end(url: str, fault: Fault, tally: Tally) -> None:
    ended = threading.Semaphore(6)

    def end(batch: Sequence[Tokens]) -> None:
        if len(batch) > 1 and ended.acquire(blocking=False):
            raise SystemExit("staged")

    with searching(url, tally, of_one_index):
        fault.staged = end
        until(lambda: not ended._value)
        answers_again(tally)
        assert httpx.get(f"{url}/readyz").status_code == 200
    assert not tally.lost


def test_the_encoder_hangs(url: str, fault: Fault, tally: Tally) -> None:
    goes_on = threading.Event()
    with searching(url, tally, of_one_index):
        fault.staged = lambda _: goes_on.wait(60) and None
        until(lambda: tally.refused[504] >= 8)
        assert httpx.get(f"{url}/healthz").status_code == 200
        not_ready = httpx.get(f"{url}/readyz", timeout=30)
        assert (not_ready.status_code, "canary" in not_ready.json()["detail"]) == (503, True)
        goes_on.set()
        answers_again(tally)
    assert not tally.lost


@pytest.mark.parametrize("jump_s", [86_400, -86_400], ids=["a day ahead", "a day back"])
def test_the_clock_jumps(url: str, tally: Tally, monkeypatch: pytest.MonkeyPatch, jump_s: int) -> None:
    """Of the whole process, service and clients alike; time limits go by a clock that does not jump."""
    real, real_ns = time.time, time.time_ns
    with searching(url, tally, of_one_index):
        monkeypatch.setattr(time, "time", lambda: real() + jump_s)
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() + jump_s * 10**9)
        answers_again(tally)
        assert httpx.get(f"{url}/readyz").status_code == 200
    assert not tally.lost
    assert not tally.refused


def test_an_encoder_that_hangs_for_ever_does_not_hold_up_the_end(tiny_bundle: Bundle, tmp_path: Path) -> None:
    index, hangs = tmp_path / "index", tmp_path / "hangs"
    Builds(tiny_bundle.encoder, folder=index).build("a")
    program = f"""
import os, sys, time
from app.__main__ import main
from app.encoder import OnnxEncoder

encode = OnnxEncoder.encode

def hang(*args, **kwargs):
    while os.path.exists({str(hangs)!r}):
        time.sleep(1)
    return encode(*args, **kwargs)

OnnxEncoder.encode = hang
sys.exit(main())
"""
    settings = {"bundle": tiny_bundle.folder, "index": f"edge:{index}", "timeout_s": 0.5, "query_cache": 0}
    with service(tmp_path / "log", program, **settings) as running:
        hangs.touch()
        assert search(running.url, "hangs").status_code == 504
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0
        assert "an encoder thread hangs; it is left behind" in running.log.read_text()
