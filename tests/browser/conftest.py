"""A real browser before the real service.

Playwright's loop runs in the main thread for as long as the browser is open, so that nothing else
there may run one of its own: the browser is a module's, and what needs a loop is made before it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from deploy.chromium import NoBrowser, chromium

Open = Callable[..., Page]
PATIENCE_MS = 60_000  # machines may be busy


@pytest.fixture(scope="module")
def browser(service: str) -> Iterator[Browser]:
    """Chromium, started after the service, whose index takes a loop to build."""
    try:
        with chromium() as found:
            yield found
    except NoBrowser as error:
        pytest.skip(str(error))


def add_prefix(page: Page) -> None:
    """Answer under /some/prefix/ too, as a proxy does that takes the prefix off."""

    def forward(route: Route) -> None:
        route.fulfill(response=route.fetch(url=route.request.url.replace("/some/prefix/", "/")))

    page.route("**/some/prefix/**", forward)


@pytest.fixture
def open_page(browser: Browser, service: str) -> Iterator[Open]:
    """Open the page at an address in a context of its own; at the end nothing may have gone wrong in it.

    Every context fails the test where the console told an error, the policy was violated, or another
    host was asked.  ``expected_errors`` are words of console errors that belong to the test.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_at(address: str = "/", base: str = service, expected_errors: tuple[str, ...] = (), **kw: Any) -> Page:
        context = browser.new_context(base_url=base, **kw)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()

        def complain(words: str) -> None:
            if not any(expected in words for expected in expected_errors):
                complaints.append(words)

        page.on("pageerror", lambda error: complain(str(error)))
        page.on("console", lambda message: complain(message.text) if message.type in ("error", "warning") else None)
        page.on("request", lambda request: None if request.url.startswith(base) else complain(request.url))
        page.goto(address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []
