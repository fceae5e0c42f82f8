"""Every page of the documentation: its links, its commands, and what the first page's badges claim."""

import importlib.util
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from app.errors import PROBLEMS, XqgError
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
    """The words of what a page has people type of ``make`` and of our own modules."""
    lines = re.findall(r"^ *\$ (.*?(?:\bmake|-m (?:offline|deploy)\S*) .+)$", text.replace("\\\n", " "), re.MULTILINE)
    commands = [shlex.split(line, comments=True) for line in lines]
    return [words[next(at for at, word in enumerate(words) if word in ("make", "-m")) :] for words in commands]


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
    for program, what, *options in typed(page.read_text()):
        if program == "make":
            assert f"\n{what}:" in (ROOT / "Makefile").read_text()
        elif what == "offline":
            command, *arguments = options
            group.commands[command].make_context(command, arguments)  # type: ignore[attr-defined]
        else:
            assert importlib.util.find_spec(what), what


def test_the_badges_are_true() -> None:
    badges = re.findall(r"\[!\[(.+?)\]\(https://img\.shields\.io/badge/(.+?)-\w+\)\]", (ROOT / "README.md").read_text())
    shown = {words.replace("--", "\0").replace("-", ": ").replace("\0", "-").replace("_", " ") for _, words in badges}
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert shown == {f"python: {oldest} or later", f"licence: {PROJECT['license']}", "arXiv: 2305.03950"}
    assert [words.split(":")[0].lower() for words, _ in badges] == [words.split("-")[0].lower() for _, words in badges]


def test_the_errors_of_the_first_page_are_those_that_callers_meet() -> None:
    (told,) = re.findall(r"\nErrors are (.*?) Temporary ", (ROOT / "README.md").read_text(), re.DOTALL)
    unseen = {499}  # the caller has hung up
    of_the_framework = {405}
    statuses = {row.status for row in PROBLEMS.values()} - unseen | of_the_framework
    assert {int(status) for status in re.findall(r"\b\d{3}\b", told)} == statuses


def test_the_exit_codes_of_the_first_page_are_those_there_are() -> None:
    (told,) = re.findall(r"Exit codes: (.*?)\. After", (ROOT / "README.md").read_text(), re.DOTALL)
    named = {int(part.split(",")[0]) for part in told.split(";")}
    interrupted = 130
    assert named == {kind.exit_code for kind in [XqgError, *descendants(XqgError)]} | {interrupted}


def descendants(kind: type[XqgError]) -> list[type[XqgError]]:
    return [each for child in kind.__subclasses__() for each in (child, *descendants(child))]


def test_other_pages_repeat_the_first_pages_figures_of_the_service() -> None:
    row = r"this service, ONNX Runtime fp32 \| \d+ \| \d+ \| (\d+) \| [\d.]+ ms \| [\d.]+ GB, ([\d.]+) after"
    (measured,) = re.findall(row, (ROOT / "README.md").read_text())
    searches_per_s, memory_gb = measured
    deploy = ROOT / "deploy"
    runbook = " ".join((deploy / "runbook.md").read_text().split())
    assert f"{searches_per_s} on two cores measured" in runbook
    for page in ("runbook.md", "kubernetes/README.md", "kubernetes/base/deployment.yaml"):
        assert f"{memory_gb} GB" in (deploy / page).read_text(), page
