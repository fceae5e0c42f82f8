"""The service as an operator runs it: a process with an environment and signals."""

import shutil
import signal
from pathlib import Path

import httpx

from app.bundle import Bundle
from tests.conftest import Built
from tests.processes import service


def test_it_serves_on_its_host_and_port_and_ends_with_0_on_sigterm(
    demo_bundle: Bundle, built: Built, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    shutil.copytree(built.index.removeprefix("edge:"), index, symlinks=True)
    with service(tmp_path / "log", bundle=demo_bundle.folder, index=f"edge:{index}", host="127.0.0.1") as app:
        answer = httpx.get(f"{app.url}/v1/search", params={"q": "Missä on Eiffel-torni?"})
        assert answer.json()["hits"][0]["docid"] == "Eiffel Tower"
        app.process.send_signal(signal.SIGTERM)
        assert app.process.wait(timeout=60) == 0, app.log.read_text()
