"""What the search page says when something is wrong, in Chromium."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from app.bundle import Bundle
from app.settings import Settings
from tests.browser.conftest import PATIENCE_MS, Open
from tests.conftest import Built

Serve = Callable[[Settings], AbstractContextManager[str]]
KEY = "a-key-of-these-tests-0123456789"
REFUSED = "Failed to load resource"  # what the console says of every status from 400
expect.set_options(timeout=PATIENCE_MS)


def hits(page: Page) -> Locator:
    return page.locator(".title")


def test_a_question_that_is_too_long_is_told_in_the_services_words(open_page: Open) -> None:
    page = open_page(expected_errors=(REFUSED,))
    page.get_by_role("searchbox").fill("why " * 1_200)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The request is not valid. query: longer than 4,000 characters")
    expect(page.get_by_role("alert")).to_contain_text(re.compile("Request [0-9a-f]{32}"))
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()  # it would fail again


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/?q=x&filter={", "Its filter is no JSON object"),
        ("/?q=x&filter=null", "Its filter is no JSON object"),
        ("/?q=x&filter=[]", "Its filter is no JSON object"),
        ("/?q=x&filter={%22colour%22:1}", "known are: topic"),
        ("/?q=x&top_k=0", "top_k:"),
    ],
)
def test_a_damaged_address_is_told(open_page: Open, address: str, words: str) -> None:
    page = open_page(address, expected_errors=(REFUSED,))
    expect(page.get_by_role("alert")).to_contain_text(words)


def test_a_service_that_is_gone_is_told_and_can_be_asked_again(open_page: Open) -> None:
    page = open_page(expected_errors=(REFUSED,))
    page.context.set_offline(True)
    page.get_by_role("searchbox").fill("Agra")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(hits(page).first).to_have_text("Agra")
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_asks_to_wait_is_waited_for(open_page: Open, status: int) -> None:
    """The refusal is staged; its shape is that of the real ones, which tests/app/test_http.py checks."""
    page = open_page(expected_errors=(REFUSED,))
    problem = {"title": "Too many queries are waiting", "detail": "come back later", "request_id": "abc"}

    def refuse(route: Route) -> None:
        route.fulfill(status=status, headers={"retry-after": "2"}, body=json.dumps(problem))

    page.route("**/v1/search", refuse, times=1)
    page.get_by_role("searchbox").fill("Agra")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Too many queries are waiting. come back later")
    wait = page.get_by_role("button", name="Try again in")
    expect(wait).to_be_disabled()
    page.get_by_role("button", name="Try again", exact=True).click()  # once it may be
    expect(hits(page).first).to_have_text("Agra")


def test_of_two_calls_that_are_refused_only_one_is_waited_for(open_page: Open) -> None:
    page = open_page(expected_errors=(REFUSED,))
    retry_after = "1"

    def refuse(route: Route) -> None:
        route.fulfill(status=503, headers={"retry-after": retry_after}, body='{"title": "Busy", "detail": "wait"}')

    page.clock.install()
    page.route("**/v1/*", refuse)
    with page.expect_response("**/v1/info"), page.expect_response("**/v1/search"):
        page.goto("/?q=Agra")
    retry_after = "60"
    page.get_by_role("button", name="Try again", exact=True).click()  # once it may be
    expect(page.get_by_role("button", name="Try again in")).to_be_disabled()
    page.evaluate("""() => {
        const button = document.getElementById("retry");
        window.enabled = 0;
        new MutationObserver(() => (window.enabled += !button.disabled)).observe(button, { attributes: true });
    }""")
    page.clock.run_for(5_000)
    assert page.evaluate("window.enabled") == 0, "left to wait for what the service asked"


def test_a_search_that_is_left_for_the_start_page_leaves_nothing_busy(open_page: Open) -> None:
    page = open_page()
    page.route("**/v1/search", lambda _: None)  # never answered
    page.get_by_role("searchbox").fill("Agra")
    page.keyboard.press("Enter")
    expect(page.locator("#hits")).to_have_attribute("aria-busy", "true")
    page.get_by_role("link", name="xQG").click()
    expect(page.locator("#hits")).to_have_attribute("aria-busy", "false")


def test_a_key_that_is_asked_for_in_between_can_be_forgotten_as_well(open_page: Open) -> None:
    page = open_page("/?q=Agra", expected_errors=(REFUSED,))
    expect(hits(page).first).to_have_text("Agra")
    page.route("**/v1/search", lambda route: route.fulfill(status=401, body="{}"), times=1)
    page.get_by_role("searchbox").fill("Eiffel Tower")
    page.keyboard.press("Enter")
    page.get_by_label("This service asks for a key.").fill(KEY)
    with page.expect_request("**/v1/search") as asked:
        page.keyboard.press("Enter")
    assert asked.value.headers["x-api-key"] == KEY
    assert "authorization" not in asked.value.headers, "it is a proxy's that asks for a password"
    expect(hits(page).first).to_have_text("Eiffel Tower")
    expect(page.get_by_role("button", name="Forget the key")).to_be_visible()


def test_a_page_of_a_proxy_is_told_as_what_it_is(open_page: Open) -> None:
    page = open_page(expected_errors=(REFUSED,))
    page.route("**/v1/search", lambda route: route.fulfill(status=502, body="<html>Bad Gateway"), times=1)
    page.get_by_role("searchbox").fill("Agra")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("HTTP 502 Bad Gateway")


def test_an_explanation_that_fails_leaves_the_hits_and_can_be_asked_for_again(open_page: Open) -> None:
    page = open_page(expected_errors=(REFUSED,))
    page.route("**/v1/explain", lambda route: route.fulfill(status=503, body='{"detail": "no index is open"}'), times=1)
    page.get_by_role("searchbox").fill("Agra")
    page.keyboard.press("Enter")
    expect(page.locator(".more").first).to_have_text("What matched could not be told: no index is open")
    expect(hits(page)).to_have_count(10)
    hits(page).first.click()
    hits(page).first.click()
    expect(page.locator(".more li")).to_have_count(3)


def test_a_key_is_asked_for_kept_in_the_tab_and_forgotten_on_demand(
    open_page: Open, serve: Serve, demo_bundle: Bundle, built: Built, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    shutil.copytree(built.index.removeprefix("edge:"), index, symlinks=True)
    settings = Settings(bundle=demo_bundle.folder, index=f"edge:{index}", timeout_s=120, api_keys=KEY)
    with serve(settings) as url:
        page = open_page("/?q=Agra", base=url, expected_errors=(REFUSED,))
        key = page.get_by_label("This service asks for a key.")
        expect(key).to_be_focused()
        key.fill("no-key-of-these-tests-0123456789")
        key.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("This key is not known.")
        key.fill("ключ")
        key.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("That is no key.")
        key.fill(KEY)
        key.press("Enter")
        expect(hits(page).first).to_have_text("Agra")
        expect(page.locator(".more li")).to_have_count(3)
        expect(key).to_be_hidden()
        page.reload()
        expect(hits(page).first).to_have_text("Agra")
        assert page.evaluate("Object.values(sessionStorage)") == [KEY]
        assert page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0
        page.get_by_role("button", name="Forget the key").click()
        expect(key).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0
        page.context.close()  # before its service goes
