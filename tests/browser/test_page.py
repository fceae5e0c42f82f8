"""The search page in Chromium, against the real service: type, read, click."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from app.languages import LANGUAGES, Language
from offline.demo.tour import ANSWERS
from tests.browser.conftest import PATIENCE_MS, Open, add_prefix

TELUGU = LANGUAGES[-1]
ARABIC = LANGUAGES[0]
PHONE_WIDTH = 320  # px, of the narrowest in use
expect.set_options(timeout=PATIENCE_MS)


def box(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Your question")


def titles(page: Page) -> Locator:
    return page.get_by_role("list", name="Passages").get_by_role("heading", level=2).get_by_role("button")


def ask(page: Page, question: str) -> None:
    box(page).fill(question)
    box(page).press("Enter")


def matched(page: Page) -> Locator:
    """The generated queries of the hits that are open."""
    return page.locator(".more li")


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_a_question_in_each_language_shows_its_passage_and_what_matched(open_page: Open, language: Language) -> None:
    page = open_page()
    box(page).press_sequentially(language.example)
    page.get_by_role("button", name="Search").click()
    expect(titles(page)).to_have_count(10)
    expect(titles(page).first).to_have_text(ANSWERS[language.code])
    expect(titles(page).first).to_have_attribute("aria-expanded", "true")
    expect(matched(page)).to_have_count(3)
    expect(matched(page).first).to_contain_text(language.name)
    expect(page).to_have_title(re.compile(re.escape(language.example)))


def test_what_is_typed_before_the_page_is_ready_stays(open_page: Open) -> None:
    page = open_page("/healthz")
    page.route("**/v1/info", lambda route: page.wait_for_timeout(500) or route.continue_())
    page.goto("/")
    box(page).fill("Agra")
    expect(page.locator("#facts")).not_to_be_empty()
    expect(box(page)).to_have_value("Agra")


def test_the_status_tells_how_many_passages_and_how_long_it_took(open_page: Open) -> None:
    page = open_page()
    ask(page, TELUGU.example)
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^10 passages in \d+ ms, [\d.]+ ms in the service\.$"))
    expect(page.get_by_text("48 passages · 672 generated queries in 7 languages")).to_be_visible()


def test_a_cut_question_is_told(open_page: Open) -> None:
    page = open_page()
    ask(page, TELUGU.example * 30)
    expect(page.get_by_role("status")).to_contain_text("only its beginning counted")


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_an_example_is_asked_when_it_is_clicked(open_page: Open, language: Language) -> None:
    page = open_page()
    page.get_by_role("link", name=language.example).click()
    expect(titles(page).first).to_have_text(ANSWERS[language.code])
    expect(box(page)).to_have_value(language.example)
    expect(page.get_by_role("region", name="For example")).to_be_hidden()


def test_arabic_runs_from_right_to_left_and_the_english_beside_it_does_not(open_page: Open) -> None:
    page = open_page()

    def direction(locator: Locator) -> str:
        told: str = locator.evaluate("node => getComputedStyle(node).direction")
        return told

    assert direction(page.locator(f"#examples [lang={ARABIC.code}]")) == "rtl"
    assert direction(page.locator(f"#examples [lang={TELUGU.code}]")) == "ltr"
    ask(page, ARABIC.example)
    expect(matched(page)).to_have_count(3)
    assert direction(box(page)) == "rtl"
    assert direction(matched(page).locator("q[lang=ar]").first) == "rtl"
    assert direction(titles(page).first) == "ltr"
    box(page).fill("where?")
    assert direction(box(page)) == "ltr"


def test_the_address_carries_the_question_and_back_goes_to_the_one_before(open_page: Open) -> None:
    page = open_page("/?q=Agra&top_k=5")
    expect(titles(page)).to_have_count(5)
    ask(page, "Metallica")
    expect(titles(page).first).to_have_text("Metallica")
    expect(page).to_have_url(re.compile(r"/\?q=Metallica&top_k=5$"))
    page.go_back()
    expect(titles(page).first).to_have_text("Agra")
    expect(box(page)).to_have_value("Agra")
    page.reload()
    expect(titles(page).first).to_have_text("Agra")
    page.go_forward()
    expect(titles(page).first).to_have_text("Metallica")
    page.get_by_role("link", name="xQG").click()
    expect(page.get_by_role("region", name="For example")).to_be_visible()
    expect(titles(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/\?top_k=5$|/$"))


def test_the_number_of_hits_can_be_chosen(open_page: Open) -> None:
    page = open_page("/?q=Agra")
    expect(titles(page)).to_have_count(10)
    page.get_by_label("Show").select_option("20")
    expect(titles(page)).to_have_count(20)
    expect(page).to_have_url(re.compile(r"top_k=20"))


def test_a_topic_narrows_the_hits_and_can_be_taken_away(open_page: Open) -> None:
    page = open_page("/?q=Agra")
    page.get_by_role("button", name="Only topic: Arts").first.click()
    remove = page.get_by_role("button", name="Remove the filter topic: Arts")
    expect(remove).to_be_visible()
    expect(page.get_by_role("button", name="Only topic:").first).to_be_visible()
    assert set(page.get_by_role("button", name="Only topic:").all_inner_texts()) == {"topic: Arts"}
    remove.click()
    expect(titles(page).first).to_have_text("Agra")
    expect(remove).to_have_count(0)


def test_the_keyboard_goes_from_the_box_to_the_hits_and_opens_them(open_page: Open) -> None:
    page = open_page("/?q=Agra")
    expect(matched(page)).to_have_count(3)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    expect(box(page)).to_be_focused()
    expect(box(page)).to_have_value("Agra")
    page.keyboard.press("ArrowDown")
    expect(titles(page).first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(titles(page).nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(matched(page)).to_have_count(6)
    page.keyboard.press("Enter")
    expect(titles(page).nth(1)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(box(page)).to_be_focused()


def test_markup_in_a_question_stays_text(open_page: Open) -> None:
    page = open_page()
    ask(page, "<img src=x onerror=alert(1)>")
    expect(titles(page)).to_have_count(10)
    assert page.locator("main img").count() == 0
    assert page.title().startswith("<img")


def test_under_the_prefix_of_a_proxy_it_works_as_well(open_page: Open, service: str) -> None:
    page = open_page("/healthz")
    add_prefix(page)
    page.goto("/some/prefix/")
    page.get_by_role("link", name=TELUGU.example).click()
    expect(titles(page).first).to_have_text("Eiffel Tower")
    expect(matched(page)).to_have_count(3)
    assert page.url.startswith(f"{service}/some/prefix/?q=")


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: Open, language: Language) -> None:
    page = open_page(viewport={"width": PHONE_WIDTH, "height": 640}, is_mobile=True, has_touch=True)
    width = "document.documentElement.scrollWidth"  # a phone's innerWidth would grow with it
    assert page.evaluate(width) == PHONE_WIDTH
    page.get_by_role("link", name=language.example).tap()
    expect(matched(page)).to_have_count(3)
    assert page.evaluate(width) == PHONE_WIDTH


def test_dark_is_dark_and_light_is_light(open_page: Open) -> None:
    lightness = "() => Math.max(...getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g))"
    assert open_page(color_scheme="dark").evaluate(lightness) < 60
    assert open_page(color_scheme="light").evaluate(lightness) > 240
