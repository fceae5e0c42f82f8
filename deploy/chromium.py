"""The system's Chromium, for the page's tests and its pictures."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_INSTALL = (
    "no browser was found; as root on Debian or Ubuntu: apt-get install chromium fonts-noto-core fonts-noto-cjk, "
    "or: python -m playwright install chromium, or name one in CHROMIUM"
)


class NoBrowser(Exception):
    """None is installed."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window: the one that ``CHROMIUM`` names, the system's, or Playwright's own.

    Raises:
        NoBrowser: there is none; says how to get one.
    """
    with sync_playwright() as playwright:
        found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
        path = found or playwright.chromium.executable_path
        if not Path(path).exists():
            raise NoBrowser(HOW_TO_INSTALL)
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()
