"""What deploy/README.md tells a person to type, and where it sends them."""

import re
import shlex
from pathlib import Path
from typing import get_args

import typer
import yaml

from app.engines import EngineName
from app.settings import Settings
from deploy.image.requirements import requirements
from offline.__main__ import cli

DEPLOY = Path(__file__).parents[2] / "deploy"
README = (DEPLOY / "README.md").read_text()


def typed() -> list[list[str]]:
    """The words of every command in a console block."""
    blocks = "\n".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL)).replace("\\\n", " ")
    return [shlex.split(line.removeprefix("$ ")) for line in blocks.splitlines() if line.startswith("$ ")]


def of_the_job() -> list[list[str]]:
    """What follows the image's or the compose service's name where the job runs."""
    runs = [words for words in typed() if "run" in words and ({"xqg-offline", "load"} & set(words))]
    return [words[next(at for at, word in enumerate(words) if word in ("xqg-offline", "load")) + 1 :] for words in runs]


def test_the_jobs_commands_exist_with_the_options_that_they_are_given() -> None:
    group = typer.main.get_command(cli)
    assert {command for command, *_ in of_the_job()} == {"build", "demo", "export"}
    for command, *arguments in of_the_job():
        group.commands[command].make_context(command, arguments)  # type: ignore[attr-defined]


def test_secrets_are_written_under_the_names_that_compose_reads() -> None:
    written = re.findall(r'echo "?(\w+)=.*>> \.env\n', README)
    assert written == ["XQG_QDRANT_API_KEY", "GRAFANA_ADMIN_PASSWORD"]
    for name in written:
        assert f"${{{name}:?" in (DEPLOY / "compose.yaml").read_text()


def test_volumes_of_compose_are_named_as_compose_names_them() -> None:
    compose = yaml.safe_load(re.sub(r"\$\{.*?\}", "x", (DEPLOY / "compose.yaml").read_text()))
    named = {volume.split(":")[0] for volume in re.findall(r"--volume (xqg_\S+)", README)}
    assert named == {f"{compose['name']}_data"}
    assert "data" in compose["volumes"]


def test_the_extras_that_the_services_image_can_have_are_those_that_its_settings_ask_for() -> None:
    (by_hand,) = re.findall(r'SERVICE_EXTRAS="(.+?)"', README)
    (by_compose,) = re.findall(r"`SERVICE_EXTRAS=(.+?)`", README)
    assert by_hand == by_compose
    described = {name: field.description or "" for name, field in Settings.model_fields.items()}
    asked = {extra for words in described.values() for extra in re.findall(r"needs the extra `(\w+)`", words)}
    asked |= {engine for engine in get_args(EngineName) if f"``{engine}`` (extra of that name)" in described["engine"]}
    assert set(by_hand.split()) == asked
    assert requirements(DEPLOY.parent / "pyproject.toml", by_hand.split())
