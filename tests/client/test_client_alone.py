"""What a copy of the client needs, and what its README promises."""

import ast
import os
import re
import subprocess
import sys

from offline.demo.tour import ANSWERS
from tests.conftest import ROOT

CLIENT = ROOT / "client"


def imported_by(source: str) -> set[str]:
    """Top-level packages."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_a_copied_client_needs_httpx_alone() -> None:
    sources = list((CLIENT / "xqg_client").glob("*.py"))
    assert len(sources) > 3
    names = set().union(*(imported_by(source.read_text(encoding="utf-8")) for source in sources))
    assert names - sys.stdlib_module_names - {"_typeshed"} == {"httpx", "xqg_client"}  # the latter for type checkers


def test_the_readmes_example_runs_as_it_is(service: str) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    code = code.replace("http://localhost:8000", service)
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(CLIENT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[0] == "1"
    assert ANSWERS["te"] in lines[0]
    assert lines[3].split()[1] == "te", "the generated query that lies closest"
    assert lines[-1].endswith(ANSWERS["ar"])
