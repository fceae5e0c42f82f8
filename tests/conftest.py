"""The real parts that tests share: the demo encoder, a small real corpus, its index, a real server."""

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from rich.console import Console

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.main import create_app
from app.server import server_options
from app.settings import Settings
from offline.demo.corpus import QUERIES, write_corpus
from offline.demo.tour import ANSWERS, DemoFiles, prepare_bundle
from offline.embed import EmbedRequest, embed
from offline.export.request import EmbeddingOptions, ExportRequest
from offline.load import LoadRequest, load
from tests.tally import Tally

ROOT = Path(__file__).parent.parent
QUIET = Console(quiet=True)
SMALL_PASSAGES = 48
TALLIES = pytest.StashKey[list[Tally]]()


@dataclass(frozen=True)
class SmallCorpus:
    """A few dozen of the demo's passages with all their generated queries."""

    corpus: Path
    queries: Path
    docids: list[str]


@dataclass(frozen=True)
class Built:
    """An embed run, and the Edge index made of it at alpha 0.05."""

    vectors: Path
    index: str


@pytest.fixture(scope="session", autouse=True)
def _plain_environment() -> Iterator[None]:
    """No setting of the person who runs the tests leaks into them."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell starts what it puts into the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("XQG_"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def demo_bundle() -> Bundle:
    """multilingual-e5-small, exported once and kept in var/demo, where `make demo` looks too."""
    folder = ROOT / "var" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return prepare_bundle(DemoFiles(folder), QUIET)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Evaluation sets that cannot be part of the project, beside it where there are any."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no evaluation sets in {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A real encoder of two small layers, for tests in which vectors are beside the point."""
    from offline.export.exporter import export  # these import torch, which takes seconds
    from tests import tiny

    folder = tmp_path_factory.mktemp("tiny")
    model, options = str(tiny.mbert(folder / "model")), EmbeddingOptions(pooling="cls")
    return export(ExportRequest(model, model, folder / "bundle", options=options), QUIET)


@pytest.fixture(scope="session")
def encoder(demo_bundle: Bundle) -> OnnxEncoder:
    return OnnxEncoder(demo_bundle, sides=tuple(Side))


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> SmallCorpus:
    folder = tmp_path_factory.mktemp("corpus")
    passages = [json.loads(line) for line in write_corpus(folder / "all.jsonl").read_text().splitlines()]
    answers = set(ANSWERS.values())
    chosen = [passage for passage in passages if passage["docid"] in answers]
    chosen += [passage for passage in passages if passage["docid"] not in answers][: SMALL_PASSAGES - len(chosen)]
    docids = [passage["docid"] for passage in chosen]
    with gzip.open(QUERIES, "rt", encoding="utf-8") as file:
        queries = [line for line in file if json.loads(line)["docid"] in docids]
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(passage) + "\n" for passage in chosen))
    queries_file = folder / "queries.jsonl"
    queries_file.write_text("".join(queries))
    return SmallCorpus(corpus, queries_file, docids)


@pytest.fixture(scope="session")
def built(demo_bundle: Bundle, small_corpus: SmallCorpus, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    vectors, index = folder / "vectors", f"edge:{folder / 'index'}"
    request = EmbedRequest(small_corpus.corpus, small_corpus.queries, demo_bundle.folder, vectors, shard_size=16)
    embed(request, QUIET)
    asyncio.run(load(LoadRequest(vectors, index, "passages", 0.05, filter_fields=["topic"]), QUIET))
    return Built(vectors, index)


@contextmanager
def running(settings: Settings) -> Iterator[uvicorn.Server]:
    """The service on a real socket, in a thread of this process."""
    free_port = settings.model_copy(update={"port": 0})
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, **server_options(free_port, app.state.metrics)))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the service stopped while starting"
        time.sleep(0.01)
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join()


def url_of(server: uvicorn.Server) -> str:
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The same; yields its base URL."""
    with running(settings) as server:
        yield url_of(server)


@pytest.fixture(scope="session")
def serve() -> Callable[[Settings], AbstractContextManager[str]]:
    """Start a service with settings of the test's own."""
    return serving


@pytest.fixture(scope="session")
def server(demo_bundle: Bundle, built: Built) -> Iterator[uvicorn.Server]:
    """The server of the service over the small index."""
    # patient, since tests are about answers and machines may be busy
    with running(Settings(bundle=demo_bundle.folder, index=built.index, timeout_s=120)) as server:
        yield server


@pytest.fixture(scope="session")
def service(server: uvicorn.Server) -> str:
    """The base URL of the service over the small index."""
    return url_of(server)


@pytest.fixture(scope="session")
def client(service: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, timeout=30) as http:
        yield http


@pytest.fixture(scope="session")
def run_offline() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m offline`` as a person does and return what it printed."""

    def run(*arguments: object, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "offline", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            **kwargs,
        )

    return run


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Counts of the requests that meet a test's fault, told under the test's name when all have run."""
    tally = Tally(request.node.name.removeprefix("test_").replace("_", " "))
    request.config.stash.setdefault(TALLIES, []).append(tally)
    return tally


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-golden", action="store_true", help="write the golden files anew, as they are now")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tallies = config.stash.get(TALLIES, [])
    if tallies:
        terminalreporter.section("requests under faults")
        for line in [Tally.header(), *(tally.row() for tally in tallies)]:
            terminalreporter.write_line(line)
