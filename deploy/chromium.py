"""The system's Chromium, for the page's tests and its pictures.

    .venv/bin/python -m deploy.chromium

tells which one there is; exit code 1, and how to get one, where there is none.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_HOW_TO_INSTALL = (
    "on Debian, as root: apt-get install chromium fonts-noto-core fonts-noto-cjk; elsewhere: "
    "python -m playwright install --with-deps chromium; or name one in CHROMIUM"
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
        named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
        path = named or playwright.chromium.executable_path
        if not Path(path).exists():
            raise NoBrowser(f"there is no browser at {path}; {_HOW_TO_INSTALL}")
        # the shared memory of a container is too small for a browser
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


def main() -> None:
    try:
        with chromium() as browser:
            sys.stdout.write(f"Chromium {browser.version}\n")
    except NoBrowser as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
