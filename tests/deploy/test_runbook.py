"""The runbook: about the alerts there are, in words and commands there are."""

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from starlette.datastructures import Headers

from app.errors import PROBLEMS
from app.index.circuit import Circuit
from app.keys import ApiKeys
from app.settings import Settings
from tests.conftest import ROOT
from tests.deploy.manifests import of_kind, template
from tests.deploy.monitoring import ALERTS, DEPLOY, PANELS
from tests.qdrant_stub import running_stub

RUNBOOK = DEPLOY / "runbook.md"


def section(alert: str) -> str:
    """What the runbook says of it."""
    return RUNBOOK.read_text().split(f"### {alert}\n")[1].split("\n### ")[0]


def test_the_runbook_has_every_alert_and_no_other() -> None:
    headings = re.findall(r"(?m)^### (Xqg\w+)$", RUNBOOK.read_text())
    assert headings == [alert["alert"] for alert in ALERTS]  # and in the same order


def test_defaults_that_the_runbook_names_are_those_of_the_settings() -> None:
    named = re.findall(r"`XQG_(\w+)` \(([\d,.]+)(?: s)?\)", " ".join(RUNBOOK.read_text().split()))
    assert named
    for name, default in named:
        assert float(default.replace(",", "")) == Settings.model_fields[name.lower()].default


def test_the_failures_that_open_the_circuit_are_as_many_as_rules_and_runbook_say() -> None:
    circuit = inspect.signature(Circuit).parameters
    assert (circuit["failures"].default, circuit["pause_s"].default) == (5, 2)
    (alert,) = (alert for alert in ALERTS if alert["alert"] == "XqgIndexFailing")
    assert alert["annotations"]["description"].startswith("Five calls in a row failed")
    assert "Five calls to Qdrant failed in a row" in section("XqgIndexFailing")
    assert "a probe tries every two seconds" in section("XqgIndexFailing")


def test_the_runbook_tells_of_every_problem_that_is_a_server_error() -> None:
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", section("XqgErrorBudgetBurnsFast")))
    assert named == {row.slug for row in PROBLEMS.values() if row.status >= 500}


def test_words_that_the_runbook_quotes_are_those_of_the_service_and_of_the_dashboard() -> None:
    alerts = " ".join(RUNBOOK.read_text().split("\n## Alerts\n")[1].split())
    quoted = set(re.findall(r"(?<![*\w])\*(?! )([^*`]+)(?<! )\*(?![*\w])", alerts))
    assert len(quoted) > 20
    source = "".join(path.read_text() for path in sorted((ROOT / "app").rglob("*.py")))
    titles = {panel["title"] for panel in PANELS}
    others = {"Pending", "Last State", "API key"}  # kubectl's, and Qdrant's
    said = {words for words in quoted if all(part in source for part in words.split("…"))}
    assert quoted - said - titles - others == set()


@pytest.mark.parametrize(("way", "address"), [("kubectl", "localhost:6333"), ("docker", "qdrant:6333")])
def test_the_runbooks_question_to_qdrant_is_answered_with_its_key(tmp_path: Path, way: str, address: str) -> None:
    functions = re.findall(r"\$ (qdrant\(\) \{.*?\n?.*?\"; \})\n", RUNBOOK.read_text(), re.DOTALL)
    (function,) = (each for each in functions if address in each)
    docker = tmp_path / "docker"  # runs what its container would
    docker.write_text('#!/bin/sh\nwhile [ "$1" != load ]; do shift; done; shift; exec python "$@"\n')
    docker.chmod(0o755)
    with running_stub() as stub:
        stub.api_key = "of-the-runbook"
        typed = f"{function.replace(address, stub.url.removeprefix('http://'))}\nqdrant GET /collections"
        path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", typed],
            env={"PATH": path, "XQG_QDRANT_API_KEY": stub.api_key},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert [call.operation for call in stub.calls] == ["get_collections"], done.stderr
    assert json.loads(done.stdout)["result"] == {"collections": []}


def test_a_callers_new_key_on_kubernetes_stands_beside_the_old_one(tmp_path: Path) -> None:
    rotation = RUNBOOK.read_text().split("\n## Key rotation\n")[1]
    (block,) = (each for each in re.findall(r"```console\n(.*?)```", rotation, re.DOTALL) if "xqg-api-keys" in each)
    kubectl = tmp_path / "kubectl"
    # the Secret as the manifests' README makes it, with no end of the line
    kubectl.write_text(
        '#!/bin/sh\ncase "$*" in *" get secret "*) printf %s of-a-caller-until-now | base64;; *) cat;; esac\n'
    )
    kubectl.chmod(0o755)
    (tmp_path / "var").mkdir()
    (file,) = re.findall(r"--from-file=keys=(\S+)", block)
    path = f"{tmp_path}:{os.environ['PATH']}"
    typed = re.sub(r"(?m)^ *\$ ", "", block)
    subprocess.run(["bash", "-euc", typed], cwd=tmp_path, env={"PATH": path}, check=True, stdin=subprocess.DEVNULL)
    lines = [line for line in (tmp_path / file).read_text().splitlines() if line]
    keys = ApiKeys.read(None, tmp_path / file)
    assert keys is not None
    assert len(lines) == 2
    assert lines[0] == "of-a-caller-until-now"
    assert all(keys.accept(Headers({"x-api-key": line})) for line in lines)


def test_the_runbook_builds_into_the_cluster_with_as_many_copies_as_the_rebuild() -> None:
    (cron,) = of_kind("rebuild", "CronJob")
    (container,) = template(cron)["spec"]["containers"]
    spread = [option for option in container["args"] if re.match("--(collection-shards|replication-factor)=", option)]
    assert len(spread) == 2
    assert f"`{' '.join(spread).replace('=', ' ')}`" in RUNBOOK.read_text()


def test_what_the_runbook_names_of_compose_is_there() -> None:
    text = " ".join(RUNBOOK.read_text().split())
    compose = yaml.safe_load(re.sub(r"\$\{.*?\}", "x", (DEPLOY / "compose.yaml").read_text()))
    asked = set(re.findall(r"docker compose (?:restart|start|stop|exec|logs|ps)(?: --\w+)*(?: \d+)? ([a-z]+)", text))
    assert asked == {"xqg", "qdrant", "prometheus"}
    assert asked | set(re.findall(r"--entrypoint \w+ (\w+) -c", text)) <= compose["services"].keys()
    assert {name.removeprefix(f"{compose['name']}_") for name in re.findall(r"--volume (xqg_\w+)", text)} == {"qdrant"}
    assert "qdrant" in compose["volumes"]
