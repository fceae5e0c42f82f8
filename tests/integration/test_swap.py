"""Another index goes live while 32 clients search: no search fails, and each is answered from one index."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.bundle import Bundle
from app.settings import Settings
from offline.__main__ import cli
from offline.embed import EmbedRequest, embed
from tests.builds import Builds, of_one_index
from tests.conftest import QUIET, SmallCorpus
from tests.qdrant_stub import running_stub
from tests.tally import Tally, answers_again, searching, until

CLIENTS = 32


@dataclass(frozen=True)
class Stage:
    """A place with build ``a`` live, and the service over it."""

    builds: Builds
    url: str

    def info(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.url}/v1/info").json()
        return answer

    def serves(self, letter: str, passages: int = 12) -> bool:
        index = self.info()["index"]
        return (index["collection"], index["passages"]) == (f"passages-{letter}", passages)


@pytest.fixture(scope="module", params=["edge", "server"])
def stage(
    request: pytest.FixtureRequest,
    tiny_bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
    serve: Callable[[Settings], AbstractContextManager[str]],
) -> Iterator[Stage]:
    with running_stub() as stub:
        folder = tmp_path_factory.mktemp("swap") if request.param == "edge" else None
        builds = Builds(tiny_bundle.encoder, folder, None if folder else stub.url)
        builds.build("a")
        settings = Settings(
            bundle=tiny_bundle.folder,
            index=builds.location,
            qdrant_grpc_port=0,
            timeout_s=60,  # it is not what is tested here
            index_watch_s=0.05,
            index_retry_s=0.1,
        )
        with serve(settings) as url:
            yield Stage(builds, url)


def test_the_alias_moves_to_and_fro(stage: Stage, tally: Tally) -> None:
    seen = set()

    def fits(answer: dict[str, Any]) -> bool:
        seen.add(answer["index"]["collection"])
        return of_one_index(answer)

    with searching(stage.url, tally, fits, CLIENTS):
        stage.builds.build("b")  # while they search, as a load does
        until(lambda: stage.serves("b"))
        for letter in "abab":
            stage.builds.move(letter)
            until(lambda letter=letter: stage.serves(letter))
        stage.builds.move("a")
        until(lambda: stage.serves("a"))
        before = tally.answered
        until(lambda: tally.answered > before + CLIENTS)
    assert seen == {"passages-a", "passages-b"}
    assert not tally.refused
    assert not tally.lost


def test_the_alias_moves_to_an_index_of_another_encoder(stage: Stage, tally: Tally) -> None:
    assert stage.info()["index_refused"] is None
    with searching(stage.url, tally, lambda answer: answer["index"]["collection"] == "passages-a", CLIENTS):
        stage.builds.build("c", revision="another")
        until(lambda: stage.info()["index_refused"] is not None)
        assert "passages-c was not built by the encoder" in stage.info()["index_refused"]
        assert "xqg_index_refused 1.0" in httpx.get(f"{stage.url}/metrics").text
        assert httpx.get(f"{stage.url}/readyz").status_code == 200
        before = tally.answered
        until(lambda: tally.answered > before + CLIENTS)
        stage.builds.move("a")
        until(lambda: stage.info()["index_refused"] is None)
    assert not tally.refused
    assert not tally.lost


@pytest.fixture(scope="module")
def vectors(tiny_bundle: Bundle, small_corpus: SmallCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "vectors"
    embed(EmbedRequest(small_corpus.corpus, small_corpus.queries, tiny_bundle.folder, folder), QUIET)
    return folder


def test_a_load_and_a_rollback_by_the_commands(stage: Stage, vectors: Path, tally: Tally) -> None:
    def offline(command: str, *arguments: object) -> Result:
        line = [command, "--index", stage.builds.location, "--grpc-port", 0, *arguments]
        return CliRunner().invoke(cli, list(map(str, line)))

    def serves(alpha: float) -> bool:
        return bool(stage.info()["index"]["alpha"] == alpha)

    with searching(stage.url, tally, lambda answer: len(answer["hits"]) == 3):
        for alpha in (0.02, 0.03):
            loaded = offline("load", "--vectors", vectors, "--alpha", alpha)
            assert "a running service goes over to the new one by itself" in " ".join(loaded.stdout.split())
            until(lambda alpha=alpha: serves(alpha))
        # the folder that it just left may be open for as long as a search takes
        until(lambda: offline("rollback").exit_code == 0)
        until(lambda: serves(0.02))
        answers_again(tally)
        stage.builds.move("a")
        until(lambda: stage.serves("a"))
    assert not tally.refused
    assert not tally.lost


@pytest.mark.parametrize("stage", ["edge"], indirect=True)  # test_faults loses a server's collection
def test_the_folder_of_the_live_index_is_removed_and_made_anew(stage: Stage, tally: Tally) -> None:
    folder = stage.builds.folder
    assert folder is not None
    with searching(stage.url, tally, of_one_index, clients=8):
        live = Path(folder / "passages").resolve()
        live.rename(folder / "away")
        shutil.rmtree(folder / "away")
        until(lambda: "there is no index passages" in str(stage.info()["index_refused"]))
        before = tally.answered
        until(lambda: tally.answered > before + CLIENTS)
        stage.builds.build("a", passages=7)
        until(lambda: stage.serves("a", 7))
    assert not tally.refused
    assert not tally.lost
