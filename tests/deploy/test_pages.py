"""Every page of the documentation: its links, its commands, and what the first page's badges claim."""

import importlib.util
import itertools
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from offline.__main__ import cli
from tests.conftest import ROOT

PAGES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
]
PAGE = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def typed(text: str) -> list[list[str]]:
    """The words of every command in a console block, each end of a line or a pipe ending one."""
    blocks = "".join(re.findall(r"^ *```console\n(.*?)```", text, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    commands = [shlex.split(line.strip()[2:], comments=True) for line in blocks.splitlines() if "$ " in line[:8]]
    return [list(part) for words in commands for end, part in itertools.groupby(words, "|&".__contains__) if not end]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@PAGE
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for link in re.findall(r"\]\((?![a-z]+:)([^)]+)\)", without_code(page.read_text())):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@PAGE
def test_the_commands_on_a_page_exist_with_their_options(page: Path) -> None:
    group = typer.main.get_command(cli)
    for words in typed(page.read_text()):
        if words[:1] == ["make"]:
            assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(), words
        if "-m" not in words or "…" in words:
            continue
        module, *arguments = words[words.index("-m") + 1 :]
        if module == "offline":
            command, *options = arguments
            group.commands[command].make_context(command, options)  # type: ignore[attr-defined]
        elif module.startswith("deploy"):
            assert importlib.util.find_spec(module), module


def test_the_badges_are_true() -> None:
    badges = re.findall(r"\[!\[(.+?)\]\(https://img\.shields\.io/badge/(.+?)-\w+\)\]", (ROOT / "README.md").read_text())
    shown = {words.replace("--", "\0").replace("-", ": ").replace("\0", "-").replace("_", " ") for _, words in badges}
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert shown == {f"python: {oldest} or later", f"licence: {PROJECT['license']}", "arXiv: 2305.03950"}
    assert [words.split(":")[0].lower() for words, _ in badges] == [words.split("-")[0].lower() for _, words in badges]
