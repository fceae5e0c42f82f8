"""Pictures of the search page: every language, desktop and phone, light and dark, from a running service.

    make serve &
    .venv/bin/python -m deploy.screenshots

The pictures show text of the index's passages, so they stay out of the repository.
"""

import argparse
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize

from app.languages import LANGUAGES
from deploy.chromium import chromium

_SCREENS: dict[str, ViewportSize] = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 390, "height": 844},
}
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the service listens")
    parser.add_argument("--output", type=Path, default=Path("var/screenshots"), help="folder for the pictures")
    parser.add_argument("--top-k", type=int, default=5, help="hits to a picture")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for screen in _SCREENS:
            for scheme in _SCHEMES:
                _shoot(browser, screen, scheme, arguments)


def _shoot(browser: Browser, screen: str, scheme: Literal["light", "dark"], arguments: argparse.Namespace) -> None:
    """The empty page, then one question in each language with its first hit open."""
    context = browser.new_context(
        base_url=arguments.url,
        viewport=_SCREENS[screen],
        color_scheme=scheme,
        device_scale_factor=2,
        has_touch=screen == "phone",
        is_mobile=screen == "phone",
    )
    page = context.new_page()
    page.goto("/")
    page.locator("#facts:not(:empty)").wait_for()
    _whole(page, arguments.output / f"{screen}-{scheme}-start.png")
    for language in LANGUAGES:
        page.goto(f"/?top_k={arguments.top_k}")
        page.get_by_role("searchbox").fill(language.example)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Closest generated queries").wait_for()
        _whole(page, arguments.output / f"{screen}-{scheme}-{language.code}.png")
    context.close()


def _whole(page: Page, picture: Path) -> None:
    """Down to the footer; ``full_page`` would do so without the phone's touch, and show what only a desktop does."""
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": page.evaluate("document.documentElement.scrollHeight")})
    page.screenshot(path=picture)
    page.set_viewport_size(size)


if __name__ == "__main__":
    main()
