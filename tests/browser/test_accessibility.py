"""axe-core finds nothing to complain of, in every state of the page and in both schemes."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from app.languages import LANGUAGES, Language
from tests.browser.conftest import PATIENCE_MS, Open

expect.set_options(timeout=PATIENCE_MS)
SCHEMES = ("light", "dark")


def check(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert found.response["passes"]  # it did look


def open_for_axe(open_page: Open, address: str, scheme: Literal["light", "dark"]) -> Page:
    # the page's policy would keep axe out, as it should
    return open_page(address, color_scheme=scheme, bypass_csp=True, expected_errors=("Failed to load resource",))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_empty_page_is_clean(open_page: Open, scheme: Literal["light", "dark"]) -> None:
    page = open_for_axe(open_page, "/", scheme)
    expect(page.locator("#facts")).not_to_be_empty()
    check(page)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("language", [LANGUAGES[0], LANGUAGES[-1]], ids=lambda language: language.code)
def test_hits_are_clean_in_either_direction(
    open_page: Open, language: Language, scheme: Literal["light", "dark"]
) -> None:
    page = open_for_axe(open_page, f"/?q={language.example}&top_k=3", scheme)
    expect(page.locator(".more li")).to_have_count(3)
    check(page)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_error_and_a_filter_are_clean(open_page: Open, scheme: Literal["light", "dark"]) -> None:
    page = open_for_axe(open_page, '/?q=x&filter={"colour":"red"}', scheme)
    expect(page.get_by_role("alert")).not_to_be_empty()
    check(page)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_form_for_a_key_is_clean(open_page: Open, scheme: Literal["light", "dark"]) -> None:
    page = open_for_axe(open_page, "/", scheme)
    page.locator("#facts:not(:empty)").wait_for()
    page.route("**/v1/search", lambda route: route.fulfill(status=401, body="{}"))
    page.get_by_role("searchbox").fill("Agra")
    page.keyboard.press("Enter")
    expect(page.get_by_label("This service asks for a key.")).to_be_visible()
    check(page)
