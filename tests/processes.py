"""Processes of the service and of a Qdrant server, for tests that send them signals."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.tally import until

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True)
class Service:
    """``python -m app``, ready."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path


@contextmanager
def service(log: Path, program: str | None = None, **settings: object) -> Iterator[Service]:
    """Run the service as an operator does, with settings as in its environment, until the block ends.

    Args:
        program: Python to run in place of ``python -m app``, for a fault inside the process.
    """
    port = free_port()
    variables = {f"XQG_{name.upper()}": str(value) for name, value in (settings | {"port": port}).items()}
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, *(["-c", program] if program else ["-m", "app"])],
            cwd=ROOT,
            env=os.environ | variables,
            stdout=sink,
            stderr=sink,
        )
    try:
        until(lambda: process.poll() is not None or _answers(f"{url}/readyz"))
        assert process.poll() is None, log.read_text()
        yield Service(process, url, log)
    finally:
        process.kill()
        process.wait()


@contextmanager
def qdrant(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the Qdrant stub as a process of its own, empty, until the block ends."""
    process = subprocess.Popen([sys.executable, "-m", "tests.qdrant_stub", str(port)], cwd=ROOT)
    try:
        until(lambda: process.poll() is not None or _answers(f"http://127.0.0.1:{port}/collections"))
        assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=60).status_code == 200
    except httpx.TransportError:
        return False
