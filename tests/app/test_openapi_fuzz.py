"""schemathesis over the whole OpenAPI document of the real service, all checks on."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from app.bundle import Bundle
from app.settings import Settings
from tests.conftest import Built

KEY = "a-key-of-these-tests-0123456789"


def fuzz(url: str, folder: Path, *options: str) -> str:
    """Run schemathesis as its command does, with a fixed seed, and return what it printed."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", "all"),
            *("--continue-on-failure", "--seed", "4", "--no-color", "--generation-database", "none", *options),
            *("--request-timeout", "120", "--max-response-time", "120"),  # machines may be busy
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_service_does_what_its_document_says(service: str, tmp_path: Path) -> None:
    operations = sum(len(methods) for methods in httpx.get(f"{service}/openapi.json").json()["paths"].values())
    report = fuzz(service, tmp_path, "--max-examples", "10")
    assert re.search(rf"Tested: {operations}\b", report), report


def test_with_keys_no_route_that_needs_one_answers_without(
    serve: Callable[[Settings], AbstractContextManager[str]], demo_bundle: Bundle, built: Built, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    shutil.copytree(built.index.removeprefix("edge:"), index, symlinks=True)
    settings = Settings(bundle=demo_bundle.folder, index=f"edge:{index}", timeout_s=120, api_keys=KEY)
    with serve(settings) as url:
        document = httpx.get(f"{url}/openapi.json").json()
        guarded = [
            path for path, methods in document["paths"].items() for each in methods.values() if "security" in each
        ]
        assert set(guarded) == {path for path in document["paths"] if path.startswith("/v1/")}
        fuzz(url, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "5", "-H", f"Authorization: Bearer {KEY}")


def test_the_document_tells_nothing_of_keys_where_none_are_set(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert "securitySchemes" not in document["components"]
    assert "401" not in document["paths"]["/v1/search"]["post"]["responses"]


@pytest.mark.parametrize("value", ["Arts", ["Arts", "History"], {"not": "Arts"}, {"not": {"not": ["Arts"]}}])
def test_the_document_names_the_fields_of_the_index(client: httpx.Client, value: object) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert set(schemas["SearchRequest"]["properties"]["filter"]["properties"]) == {"topic"}
    assert client.post("/v1/search", json={"query": "x", "filter": {"topic": value}}).status_code == 200
