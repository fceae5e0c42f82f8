"""The Dockerfile against the files that it copies, and the scripts that it runs."""

import json
import re
import stat
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from app import __version__
from app.bundle import Bundle, Side
from app.settings import Settings, variable
from deploy.image.requirements import requirements
from tests.processes import free_port

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "deploy" / "image"
DOCKERFILE = ROOT / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with its arguments on one line."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def stages() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            name = rest.rpartition(" AS ")[2]
        found.setdefault(name, []).append((word, rest))
    return found


def values(stage: str, word: str) -> list[str]:
    return [rest for each, rest in stages()[stage] if each == word]


def environment(stage: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in values(stage, "ENV") for pair in rest.split())


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a path through: the last line that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and (fnmatch(path, pattern) or fnmatch(path, f"{pattern}/*")):
            sent = line.startswith("!")
    return sent


def test_the_base_image_is_an_argument_and_every_stage_stands_on_it() -> None:
    assert instructions()[0] == ("ARG", "BASE_IMAGE=python:3.12-slim")
    bases = {rest.partition(" AS ")[0] for word, rest in instructions() if word == "FROM"}
    assert bases == {"${BASE_IMAGE}", "builder", "runtime", "image"}


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    copied = [
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    assert {"app", "offline", "constraints.txt"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert is_sent(source.rstrip("/")), source


@pytest.mark.parametrize("path", [".git", ".venv", "var", "tests", "README.md", "deploy/.env", "deploy/service.env"])
def test_history_virtualenvs_data_and_secrets_are_not_sent(path: str) -> None:
    assert not is_sent(path)


@pytest.mark.parametrize("stage", ["service", "offline"])
def test_an_image_ends_as_a_user_without_rights_that_kubernetes_can_tell_by_its_number(stage: str) -> None:
    assert values(stage, "USER") == ["10001:10001"]
    assert stages()[stage].index(("USER", "10001:10001")) > max(
        at for at, (word, _) in enumerate(stages()[stage]) if word in ("RUN", "COPY")
    )


def test_code_that_was_checked_out_for_one_user_alone_is_readable_for_that_of_the_image(tmp_path: Path) -> None:
    folder, module = tmp_path / "app", tmp_path / "app" / "main.py"
    folder.mkdir(mode=0o700)
    module.touch(mode=0o600)
    (command,) = (rest for rest in values("code", "RUN") if rest.startswith("chmod "))
    subprocess.run(command.replace("/srv/xqg", str(tmp_path)).split(), check=True)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, module)] == [0o755, 0o644]
    assert values("code", "RUN").index(command) == 0  # so that what is compiled is readable too


@pytest.mark.parametrize("stage", ["service", "offline"])
def test_no_shell_stands_between_the_engine_and_the_process(stage: str) -> None:
    commands = values(stage, "ENTRYPOINT") + values(stage, "CMD")
    commands += [rest.partition("CMD ")[2] for rest in values(stage, "HEALTHCHECK")]
    assert commands
    for command in commands:
        assert all(isinstance(word, str) for word in json.loads(command))


def test_the_service_is_what_a_build_without_a_target_makes() -> None:
    assert list(stages())[-1] == "service"


def test_the_service_carries_nothing_of_the_offline_half() -> None:
    assert not [rest for rest in values("service", "COPY") if "offline" in rest]
    installs = " ".join(values("runtime", "RUN") + values("service-packages", "RUN"))
    assert "torch" not in installs
    assert "requirements.py ${SERVICE_EXTRAS} >" in installs
    assert 'SERVICE_EXTRAS=""' in values("runtime", "ARG")  # none, unless asked for


def test_the_settings_that_the_image_brings_are_settings_and_the_port_is_the_exposed_one() -> None:
    given = {name: value for name, value in environment("service").items() if name.startswith("XQG_")}
    assert set(given) <= {variable(name) for name in Settings.model_fields}
    assert values("service", "EXPOSE") == [given["XQG_PORT"]]
    assert given["XQG_HOST"] == "0.0.0.0"


def test_both_images_name_the_version_of_the_code() -> None:
    assert f'org.opencontainers.image.version="{__version__}"' in values("image", "LABEL")[0]


def test_requirements_are_the_projects_own_with_the_extras_that_are_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    printed = subprocess.run(
        [sys.executable, IMAGE / "requirements.py", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert printed == project["dependencies"] + project["optional-dependencies"]["demo"]


def test_an_extra_that_does_not_exist_stops_the_build() -> None:
    with pytest.raises(KeyError, match="demos"):
        requirements(ROOT / "pyproject.toml", ["demos"])


def test_either_build_of_the_runtime_is_the_one_of_the_projects_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name in ("cpu", "gpu"):
        (extra,) = extras[name]
        lines = (IMAGE / f"runtime-{name}.txt").read_text().splitlines()
        asked = [re.split(r"[\[>=]", line)[0] for line in lines if not line.startswith("#")]
        assert extra.partition(">=")[0] in asked
        assert not [other for other in asked if other.startswith("onnxruntime") and other != extra.partition(">=")[0]]


def healthcheck(port: int, *path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, IMAGE / "healthcheck.py", *path],
        env={"XQG_PORT": str(port)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_healthcheck_passes_on_a_service_that_lives_and_is_ready(service: str) -> None:
    port = int(service.rpartition(":")[2])
    alive, ready = healthcheck(port), healthcheck(port, "/readyz")
    assert (alive.returncode, ready.returncode) == (0, 0)
    assert json.loads(ready.stdout)["passages"] > 0


def test_the_healthcheck_fails_and_says_why_where_the_answer_is_a_problem_or_there_is_none(service: str) -> None:
    refused = healthcheck(int(service.rpartition(":")[2]), "/v1/passages/no-such")
    assert refused.returncode == 1
    assert "passage-not-found" in refused.stdout
    nobody = healthcheck(free_port())
    assert nobody.returncode == 1
    assert "the service does not answer" in nobody.stdout


def test_onnx_runtime_leaves_nothing_behind_and_asks_for_no_host_with_the_images_environment(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    told = {name: value for name, value in environment("image").items() if name.startswith("ORT_")}
    opened = "import onnxruntime, sys; onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])"
    model = tiny_bundle.model_path(Side.QUERY)
    assert told
    subprocess.run([sys.executable, "-c", opened, model], env={"HOME": str(tmp_path), **told}, check=True)
    assert not list(tmp_path.iterdir())
