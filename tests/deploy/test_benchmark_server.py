"""The benchmark starts real processes, watches them and leaves none behind."""

import socket
import sys
import time
from pathlib import Path

import pytest

from deploy.benchmarks.load_client import Target
from deploy.benchmarks.server import ServerFailed, running, usage


def listing(port: int) -> Target:
    return Target("127.0.0.1", port, "GET", "/?question=", str.encode, b"Directory listing")


def is_gone(port: int) -> bool:
    """Whether nobody listens; a killed child may take a moment, so this one waits where somebody does."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    time.sleep(0.05)
    return False


def test_a_server_is_watched_with_its_children_and_stopped(tmp_path: Path) -> None:
    # a parent that only waits, so that what is counted beyond it is its child's
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'http.server', sys.argv[1]])"
    with running([sys.executable, "-c", parent, "{port}"], {}, listing, "why", tmp_path / "log") as server:
        used = usage(server.pid)
        assert server.first_answer_s > 0
        assert used.threads >= 2
        assert used.peak >= used.resident > used.own > 0
        assert used.cpu_s > 0
    assert "GET /?question=why" in (tmp_path / "log").read_text()
    assert usage(server.pid) == type(used)(0.0, 0, 0, 0, 0, 0)
    assert any(is_gone(server.target.port) for _ in range(200))


def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no model here')"]
    with (
        pytest.raises(ServerFailed, match=r"exit code 1.*no model here"),
        running(command, {}, listing, "why", tmp_path / "log"),
    ):
        pass
