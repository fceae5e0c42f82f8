"""A Qdrant server that fails while clients search, over real sockets.

Each search is answered, or refused as documented and within its time limit; none is lost.  When
the fault is over they are answered again, by the same process.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import httpx
import pytest

from app.bundle import Bundle
from app.settings import Settings
from tests.builds import Builds, of_one_index
from tests.qdrant_stub import CutShort, Die, Fault, Garble, Hang, QdrantStub, Refuse, Reset, running_stub
from tests.tally import Tally, answers_again, searching, until

MANY = 200


@dataclass(frozen=True)
class Stage:
    """A Qdrant server with build ``a`` live, and the service over it."""

    stub: QdrantStub
    builds: Builds
    url: str

    def metric(self, name: str) -> float:
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])

    def readiness(self) -> httpx.Response:
        return httpx.get(f"{self.url}/readyz")


@pytest.fixture(scope="module")
def whole_stage(tiny_bundle: Bundle, serve: Callable[[Settings], AbstractContextManager[str]]) -> Iterator[Stage]:
    with running_stub() as stub:
        builds = Builds(tiny_bundle.encoder, url=stub.url)
        builds.build("a")
        settings = Settings(
            bundle=tiny_bundle.folder,
            index=stub.url,
            qdrant_grpc_port=0,
            timeout_s=3,
            index_watch_s=0.05,
            index_retry_s=0.1,
        )
        with serve(settings) as url:
            yield Stage(stub, builds, url)


@pytest.fixture
def stage(whole_stage: Stage) -> Iterator[Stage]:
    until(lambda: whole_stage.readiness().status_code == 200)  # as the test before should have left it
    yield whole_stage
    whole_stage.stub.mend()


def test_qdrant_refuses_connections(stage: Stage, tally: Tally) -> None:
    with searching(stage.url, tally, of_one_index):
        stage.stub.stop()
        until(lambda: tally.refused[503] > 16)
        assert stage.readiness().status_code == 503
        stage.stub.start()
        answers_again(tally)
    assert not tally.lost


def test_qdrant_hangs(stage: Stage, tally: Tally) -> None:
    with searching(stage.url, tally, of_one_index, clients=8):
        stage.stub.stage("query", *[Hang(60)] * MANY)
        until(lambda: stage.metric("xqg_index_calls_in_flight") == 8)  # those whom no histogram knows yet
        assert stage.metric("xqg_queue_queries") == 0
        until(lambda: tally.refused[504] >= 5)  # each waited for its whole time; then the circuit opens
        until(lambda: tally.refused[503] > 16)
        assert stage.metric("xqg_index_failing") == 1
        stage.stub.mend()
        answers_again(tally)
    assert stage.metric("xqg_index_failing") == 0
    assert stage.metric("xqg_index_calls_in_flight") == 0
    assert not tally.lost


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Refuse(500), id="status 500"),
        pytest.param(Garble(), id="no JSON"),
        pytest.param(Garble(b'{"result": {"points": 5}}'), id="other JSON"),
    ],
)
def test_qdrant_fails_every_search(stage: Stage, tally: Tally, fault: Fault) -> None:
    with searching(stage.url, tally, of_one_index):
        stage.stub.stage("query", *[fault] * MANY)
        until(lambda: tally.refused[503] > 16)
        stage.stub.mend()
        answers_again(tally)
    assert not tally.lost


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Refuse(502), id="status 502"),
        pytest.param(Reset(), id="a reset"),
        pytest.param(CutShort(), id="half an answer"),
    ],
)
def test_qdrant_fails_now_and_then_and_no_caller_notices(stage: Stage, tally: Tally, fault: Fault) -> None:
    with searching(stage.url, tally, of_one_index, clients=2):
        for after in (3, 5, 7):
            stage.stub.stage("query", fault, after=after)
        until(lambda: stage.stub.staged("query") == 0)
        answers_again(tally)
    assert not tally.refused
    assert not tally.lost


def test_qdrant_dies_and_is_started_again(stage: Stage, tally: Tally) -> None:
    with searching(stage.url, tally, of_one_index):
        stage.stub.stage("query", Die())
        until(lambda: tally.refused[503] > 16)
        stage.stub.start()
        answers_again(tally)
    assert not tally.lost


def test_qdrant_loses_the_collection_and_it_is_loaded_again(stage: Stage, tally: Tally) -> None:
    with searching(stage.url, tally, of_one_index):
        stage.stub.engine.forget("passages-a")
        until(lambda: tally.refused[503] > 16)
        refusal = httpx.get(f"{stage.url}/v1/search", params={"q": "x"}).json()
        assert refusal["detail"].startswith(("the server has no collection", "the collection passages-a is no longer"))
        stage.builds.build("a")
        answers_again(tally)
    assert not tally.lost


def test_qdrant_answers_points_that_are_no_passages(stage: Stage, tally: Tally) -> None:
    point = b'{"id": 1, "version": 1, "score": 0.5, "payload": {"colour": "red"}}'
    with searching(stage.url, tally, of_one_index):
        stage.stub.stage("query", *[Garble(b'{"result": {"points": [' + point + b"]}}")] * 10)
        until(lambda: tally.refused[503] > 0)
        answers_again(tally)
    assert not tally.lost


def test_qdrant_refuses_a_search_as_wrong_and_the_circuit_stays_closed(stage: Stage, tally: Tally) -> None:
    with searching(stage.url, tally, of_one_index):
        stage.stub.stage("query", *[Refuse(400)] * 20)
        until(lambda: stage.stub.staged("query") == 0)
        answers_again(tally)
    assert tally.refused == {503: 20}  # no other was refused for their sake
    assert not tally.lost


def test_qdrant_is_away_when_the_service_starts(
    tiny_bundle: Bundle, serve: Callable[[Settings], AbstractContextManager[str]], tally: Tally
) -> None:
    with running_stub() as stub:
        Builds(tiny_bundle.encoder, url=stub.url).build("a")
        stub.stop()
        settings = Settings(bundle=tiny_bundle.folder, index=stub.url, qdrant_grpc_port=0, index_retry_s=0.1)
        with serve(settings) as url:
            assert httpx.get(f"{url}/healthz").status_code == 200
            tally.sent += 1
            tally.count(httpx.post(f"{url}/v1/search", json={"query": "x"}), of_one_index)
            assert tally.refused[503] == 1
            stub.start()
            until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
            with searching(url, tally, of_one_index, clients=1):
                pass
    assert not tally.lost
