"""The OpenAPI document is a promise: it changes on purpose, and tells every error."""

import difflib
import json
from pathlib import Path
from typing import Any

import pytest

from app.bundle import Bundle
from app.errors import PROBLEMS, ClientGone, OriginRefused
from app.languages import LANGUAGES
from app.main import create_app
from app.settings import Settings

GOLDEN = Path(__file__).parent.parent / "golden" / "openapi.json"
RENEW = "make test ARGS='tests/app/test_openapi_document.py --renew-golden'"


@pytest.fixture(scope="module")
def document(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """With keys, which add to it, and without an index, which would put its own fields in."""
    folder = tmp_path_factory.mktemp("no-index")
    settings = Settings(bundle=tiny_bundle.folder, index=f"edge:{folder}", api_keys="a-key-of-these-tests")
    return create_app(settings).openapi()


def test_the_document_is_the_golden_one(document: dict[str, Any], pytestconfig: pytest.Config) -> None:
    told = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    if pytestconfig.getoption("--renew-golden"):
        GOLDEN.write_text(told, encoding="utf-8")
    golden = GOLDEN.read_text(encoding="utf-8")
    changes = difflib.unified_diff(golden.splitlines(), told.splitlines(), "golden", "now", lineterm="", n=4)
    assert told == golden, "\n".join([f"the document changed; if that is meant, run: {RENEW}", *changes])


def test_every_problem_that_a_caller_can_read_is_documented(document: dict[str, Any]) -> None:
    shown = {
        slug
        for path in document["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        for slug in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    # who is gone reads nothing, and /mcp is documented by its own protocol
    assert shown == {row.slug for kind, row in PROBLEMS.items() if kind not in (ClientGone, OriginRefused)}


def test_a_search_has_an_example_in_every_language_by_post_and_by_get(document: dict[str, Any]) -> None:
    search = document["paths"]["/v1/search"]
    by_post = search["post"]["requestBody"]["content"]["application/json"]["examples"]
    by_get = next(each for each in search["get"]["parameters"] if each["name"] == "q")["examples"]
    for language in LANGUAGES:
        assert by_post[language.code]["value"]["query"] == language.example
        assert by_get[language.code]["value"] == language.example
