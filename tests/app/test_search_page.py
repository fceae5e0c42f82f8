"""The search page's files, as they are served; what they do is in tests/browser."""

import re
from pathlib import Path

import httpx
import pytest

import app
from app.languages import LANGUAGES

FOLDER = Path(app.__file__).parent / "page"
MOST_BYTES = 50_000


@pytest.fixture(scope="module")
def addresses(client: httpx.Client) -> list[str]:
    """The page and all that it loads."""
    modules = {f"/page/{file.name}" for file in FOLDER.iterdir() if file.suffix != ".html"}
    return ["/", *sorted(modules)]


def test_the_whole_page_is_small(client: httpx.Client, addresses: list[str]) -> None:
    assert 0 < sum(len(client.get(address).content) for address in addresses) < MOST_BYTES


def test_every_file_that_the_page_names_is_there(client: httpx.Client, addresses: list[str]) -> None:
    named = set(re.findall(r'(?:href|src)="(page/[^"]+)"', client.get("/").text))
    for script in (address for address in addresses if address.endswith(".js")):
        named |= {f"page/{name}" for name in re.findall(r'from "\./([^"]+)"', client.get(script).text)}
    assert {f"/{name}" for name in named} == set(addresses) - {"/"}


def test_nothing_of_it_comes_from_another_host_or_stands_inline(client: httpx.Client, addresses: list[str]) -> None:
    for address in addresses:
        text = client.get(address).text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""https?:|["'(]//""", text), address
    page = client.get("/").text
    assert not re.search(r"<style|<script>|\sstyle=|\son\w+=", page)


def test_its_policy_lets_nothing_else_run(client: httpx.Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy


def test_what_a_browser_has_is_not_sent_again_and_keeps_its_policy(client: httpx.Client, addresses: list[str]) -> None:
    for address in addresses:
        first = client.get(address)
        assert first.headers["cache-control"] == "no-cache"
        again = client.get(address, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
        assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200


def test_head_tells_what_get_would_send(client: httpx.Client) -> None:
    head, whole = client.head("/"), client.get("/")
    assert head.content == b""
    for name in ("content-length", "content-type", "etag"):
        assert head.headers[name] == whole.headers[name]


def test_it_has_an_example_in_every_language(client: httpx.Client) -> None:
    page = client.get("/").text
    for language in LANGUAGES:
        assert f'lang="{language.code}" dir="auto">{language.example}</span>' in page
