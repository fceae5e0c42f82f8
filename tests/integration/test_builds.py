"""``collections`` and ``rollback`` through the command line, on an Edge folder and on a server."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.passages import point_id
from offline.__main__ import cli
from tests.qdrant_stub import QdrantStub, running_stub
from tests.runs import random_run

PASSAGES = 100


def offline(command: str, index: str, *arguments: object) -> Result:
    """A command of ``python -m offline``, in this process: a start takes seconds."""
    line = [command, "--index", index, "--grpc-port", 0, *arguments]
    return CliRunner().invoke(cli, list(map(str, line)), env={"COLUMNS": "80"})


@dataclass
class Place:
    """An index with two builds: first alpha 0.05, then 0.01, which is live."""

    index: str
    folder: Path | None
    stub: QdrantStub | None
    first: str
    second: str

    def live(self) -> str:
        if self.stub is not None:
            return str(self.stub.engine.points.get_aliases().aliases[0].collection_name)
        assert self.folder is not None
        return (self.folder / "passages").resolve().name

    def spoil(self, collection: str) -> None:
        """Let a build hold fewer passages than its contract says."""
        if self.stub is not None:
            self.stub.engine.points.delete(collection, [point_id("7")])
        if self.folder is not None:
            contract = self.folder / collection / "contract.json"
            contract.write_text(json.dumps(json.loads(contract.read_text()) | {"passages": PASSAGES + 1}))


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_run(tmp_path_factory.mktemp("builds") / "run", PASSAGES, 50)


@pytest.fixture(params=["edge", "server"])
def place(request: pytest.FixtureRequest, vectors: Path, tmp_path: Path) -> Iterator[Place]:
    with running_stub() as stub:
        on_server = request.param == "server"
        folder = None if on_server else tmp_path / "i"
        index = stub.url if on_server else f"edge:{folder}"
        place = Place(index, folder, stub if on_server else None, "", "")
        offline("load", index, "--vectors", vectors, "--alpha", 0.05)
        place.first = place.live()
        told = offline("load", index, "--vectors", vectors, "--alpha", 0.01)
        place.second = place.live()
        assert place.first != place.second
        assert f"python -m offline rollback --index {index} --collection passages --to {place.first}" in told.stdout
        yield place


def one_line(failed: Result, code: int, complaint: str) -> None:
    assert failed.exit_code == code
    (line,) = failed.stderr.strip().splitlines()
    assert complaint in line


def test_the_builds_of_an_index_are_listed_and_dropped(place: Place) -> None:
    listed = offline("collections", place.index)
    assert listed.exit_code == 0, listed.stderr
    header, *rows = [line.split() for line in listed.stdout.splitlines() if "passages" in line]
    assert header[:4] == ["┃", "name", "┃", "live"]
    newest, oldest = ([cell for cell in row if cell != "│"] for row in rows)
    assert newest[:5] == [place.second, "live", "yes", "100", "0.01"]
    assert oldest[:4] == [place.first, "yes", "100", "0.05"]
    assert newest[-1] == "tiny"
    one_line(offline("collections", place.index, "--drop", place.second), 4, f"{place.second} is live as passages")
    one_line(
        offline("collections", place.index, "--drop", "passages-0"),
        2,
        "passages-0 is no build of passages; there are: ",
    )
    dropped = offline("collections", place.index, "--drop", place.first)
    assert dropped.exit_code == 0, dropped.stderr
    assert place.first not in offline("collections", place.index).stdout
    assert place.live() == place.second
    one_line(offline("rollback", place.index), 2, "no complete build of passages is older")


def test_an_index_goes_back_to_the_build_before_and_forth_again(place: Place) -> None:
    back = offline("rollback", place.index)
    assert back.exit_code == 0, back.stderr
    assert f"100 passages, live instead of {place.second}" in " ".join(back.stdout.split())
    assert place.live() == place.first
    forth = offline("rollback", place.index, "--to", place.second)
    assert forth.exit_code == 0, forth.stderr
    assert place.live() == place.second
    assert "live already" in offline("rollback", place.index, "--to", place.second).stdout


def test_a_build_that_lost_passages_does_not_go_live(place: Place) -> None:
    place.spoil(place.first)
    one_line(offline("rollback", place.index), 5, f"{place.first} holds ")
    one_line(offline("rollback", place.index, "--to", "passages-0"), 2, "is no build of passages")
    assert place.live() == place.second


def test_where_nothing_was_loaded_is_said(tmp_path: Path) -> None:
    for command in ("collections", "rollback"):
        one_line(offline(command, f"edge:{tmp_path / 'nothing'}"), 2, "there is no folder")
    assert not (tmp_path / "nothing").exists()
    one_line(offline("rollback", f"edge:{tmp_path}"), 2, "there is no index passages")
    assert "there is no build of passages" in offline("collections", f"edge:{tmp_path}").stdout
