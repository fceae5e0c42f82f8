"""/docs in Chromium: Swagger UI from this host, under its policy, tried out as a reader does."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from app.bundle import Bundle
from app.languages import LANGUAGES
from app.settings import Settings
from tests.browser.conftest import PATIENCE_MS, Open, add_prefix
from tests.conftest import Built

KEY = "a-key-of-these-tests-0123456789"
TELUGU = LANGUAGES[-1]
expect.set_options(timeout=PATIENCE_MS)


def unfold(page: Page, operation: str) -> Locator:
    block = page.locator(f"#operations-{operation}")
    block.locator(".opblock-summary-control").click()
    return block


def answer_of(block: Locator) -> Locator:
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response")


def test_an_example_in_another_language_is_tried_out(open_page: Open) -> None:
    block = unfold(open_page("/docs"), "search-search_v1_search_post")
    block.locator("select.examples-select-element, .examples-select select").first.select_option(TELUGU.code)
    expect(block.locator("textarea")).to_have_value(
        f'{{\n  "query": "{TELUGU.example}",\n  "top_k": 3,\n  "lang": "te"\n}}'
    )
    expect(answer_of(block).first).to_contain_text("Eiffel Tower")


def test_a_search_by_get_is_filled_in_and_answers_under_a_prefix_too(open_page: Open) -> None:
    page = open_page("/healthz")
    add_prefix(page)
    page.goto("/some/prefix/docs")
    block = unfold(page, "search-search_by_get_v1_search_get")
    expect(answer_of(block).first).to_contain_text("Mona Lisa")


def test_a_reader_with_a_key_authorises_and_is_answered(
    open_page: Open, serve: Callable[[Settings], AbstractContextManager[str]], demo_bundle: Bundle, built: Built,
    tmp_path: Path,
) -> None:  # fmt: skip
    index = tmp_path / "index"
    shutil.copytree(built.index.removeprefix("edge:"), index, symlinks=True)
    settings = Settings(bundle=demo_bundle.folder, index=f"edge:{index}", timeout_s=120, api_keys=KEY)
    with serve(settings) as url:
        page = open_page("/docs", base=url, expected_errors=("Failed to load resource",))
        block = unfold(page, "search-explain_v1_explain_post")
        expect(answer_of(block).first).to_contain_text("urn:xqg:problem:unauthorized")
        page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".dialog-ux")
        dialog.locator("input").first.fill(KEY)
        dialog.get_by_role("button", name="Apply credentials").first.click()
        dialog.get_by_role("button", name="Close").last.click()
        expect(answer_of(block).first).to_contain_text("matched_queries")
        page.context.close()
