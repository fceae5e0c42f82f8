"""The service as an operator runs it: a process with an environment and signals."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from app.bundle import Bundle
from tests.conftest import ROOT, Built


def test_it_serves_on_its_host_and_port_and_ends_with_0_on_sigterm(
    demo_bundle: Bundle, built: Built, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    shutil.copytree(built.index.removeprefix("edge:"), index, symlinks=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "XQG_BUNDLE": str(demo_bundle.folder),
        "XQG_INDEX": f"edge:{index}",
        "XQG_HOST": "127.0.0.1",
        "XQG_PORT": str(port),
    }
    log = tmp_path / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "app"], cwd=ROOT, env=os.environ | settings, stdout=sink, stderr=sink
        )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            except httpx.ConnectError:
                time.sleep(0.05)
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/search", params={"q": "Missä on Eiffel-torni?"})
        assert answer.json()["hits"][0]["docid"] == "Eiffel Tower"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
