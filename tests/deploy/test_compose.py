"""compose.yaml and what it mounts against the project: settings, commands, paths, ports, secrets."""

import re
import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
import yaml

from app.settings import Settings
from offline.__main__ import cli
from offline.demo.tour import ALPHA, DemoFiles
from tests.deploy.test_image_files import environment, stages
from tests.processes import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
SECRETS = {"XQG_QDRANT_API_KEY": "a-key-for-this-test", "GRAFANA_ADMIN_PASSWORD": "another"}
OPTIONAL = {"SERVICE_EXTRAS", "SERVICE_MEMORY"}
"""What .env.example leaves empty, for the default of compose.yaml."""
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")


def example() -> dict[str, str]:
    lines = [line for line in (DEPLOY / ".env.example").read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


def interpolated(text: str, **more: str) -> str:
    """As compose does it: each variable's value, or its default."""
    given = example() | SECRETS | more
    return _VARIABLE.sub(lambda found: given.get(found[1]) or (found[3] if found[2] == "-" else ""), text)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(interpolated(COMPOSE.read_text()))["services"]
    return found


SERVICE = pytest.mark.parametrize("name", ["xqg", "xqg-gpu"])
OURS = pytest.mark.parametrize("name", ["xqg", "xqg-gpu", "demo", "load", "qdrant"])


def settings_of(service: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in (environment("service") | service["environment"]).items():
        monkeypatch.setenv(name, value)
    return Settings.read()


@SERVICE
def test_the_service_takes_the_settings_that_it_is_given(
    name: str, services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(services[name], monkeypatch)
    assert settings.device == ("cuda" if name == "xqg-gpu" else "auto")
    where = urlsplit(settings.index)
    assert (where.hostname, where.port) == ("qdrant", 6333)
    assert settings.qdrant_api_key is not None
    assert settings.qdrant_api_key.get_secret_value() == services["qdrant"]["environment"]["QDRANT__SERVICE__API_KEY"]


@SERVICE
def test_a_stop_leaves_time_to_drain(
    name: str, services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(services[name], monkeypatch)
    grace_s = int(services[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s > settings.drain_delay_s + settings.drain_s


@SERVICE
def test_the_service_reads_what_the_job_wrote_and_cannot_change_it(
    name: str, services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = DemoFiles(Path(services["demo"]["command"][2]))
    assert settings_of(services[name], monkeypatch).bundle == made.bundle
    assert services[name]["volumes"] == ["data:/data:ro"]
    assert services["demo"]["volumes"] == services["load"]["volumes"] == ["data:/data"]
    assert made.folder.is_relative_to("/data")


@pytest.mark.parametrize("name", ["demo", "load"])
def test_a_job_runs_a_command_that_exists_with_options_that_it_has(
    name: str, services: dict[str, dict[str, Any]]
) -> None:
    command, *arguments = services[name]["command"]
    group = typer.main.get_command(cli)
    group.commands[command].make_context(command, arguments)  # type: ignore[attr-defined]


def test_the_demo_is_loaded_as_the_tour_loads_it(services: dict[str, dict[str, Any]]) -> None:
    words = services["load"]["command"][1:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    made = DemoFiles(Path(services["demo"]["command"][2]))
    assert options == {
        "--vectors": str(made.vectors),
        "--index": services["xqg"]["environment"]["XQG_INDEX"],
        "--alpha": str(ALPHA),
        "--filter-field": "topic",
    }


@SERVICE
def test_the_service_waits_for_the_index_and_the_index_for_the_server(
    name: str, services: dict[str, dict[str, Any]]
) -> None:
    assert services[name]["depends_on"]["load"]["condition"] == "service_completed_successfully"
    assert services["load"]["depends_on"]["demo"]["condition"] == "service_completed_successfully"
    assert services["load"]["depends_on"]["qdrant"]["condition"] == "service_healthy"


def test_our_images_are_stages_of_the_dockerfile_and_all_others_are_pinned(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        if "build" in service:
            assert service["build"]["target"] in stages()
            assert (DEPLOY / service["build"]["context"] / "Dockerfile").is_file()
            assert service["image"].startswith(f"xqg-{service['build']['target']}:")
        elif not service["image"].startswith("xqg-"):
            assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), service["image"]


def test_our_images_are_built_once_and_asked_of_no_registry(services: dict[str, dict[str, Any]]) -> None:
    ours = [service for service in services.values() if service["image"].startswith("xqg-")]
    assert {service["pull_policy"] for service in ours} == {"never"}
    built = [service["image"] for service in ours if "build" in service]
    assert sorted(built) == sorted({service["image"] for service in ours})


def test_a_gpu_image_is_not_taken_for_the_other(services: dict[str, dict[str, Any]]) -> None:
    assert services["xqg"]["image"] != services["xqg-gpu"]["image"]
    assert services["xqg-gpu"]["build"]["args"] == {"RUNTIME": "gpu", "SERVICE_EXTRAS": ""}
    assert services["xqg"]["build"]["args"] == {"SERVICE_EXTRAS": ""}


def test_the_service_has_more_memory_with_a_gpu_unless_a_limit_is_given() -> None:
    def limits(**given: str) -> list[str]:
        services = yaml.safe_load(interpolated(COMPOSE.read_text(), **given))["services"]
        return [services[name]["deploy"]["resources"]["limits"]["memory"] for name in ("xqg", "xqg-gpu")]

    assert limits() == ["2g", "8g"]
    assert limits(SERVICE_MEMORY="3g") == ["3g", "3g"]


@SERVICE
def test_another_encoder_and_extras_are_taken_from_the_environment(name: str) -> None:
    given = {"XQG_BUNDLE": "/data/base", "SERVICE_EXTRAS": "mcp otel"}
    service = yaml.safe_load(interpolated(COMPOSE.read_text(), **given))["services"][name]
    assert service["environment"]["XQG_BUNDLE"] == "/data/base"
    assert service["build"]["args"]["SERVICE_EXTRAS"] == "mcp otel"


def test_no_container_has_rights_that_it_does_not_need(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


@OURS
def test_nothing_is_written_but_in_tmp_and_volumes(name: str, services: dict[str, dict[str, Any]]) -> None:
    assert services[name]["read_only"] is True
    assert services[name]["tmpfs"] == ["/tmp"]  # noqa: S108


def test_qdrant_is_reached_by_its_own_network_alone(services: dict[str, dict[str, Any]]) -> None:
    assert services["qdrant"]["networks"] == ["index"]
    assert "ports" not in services["qdrant"]
    assert yaml.safe_load(COMPOSE.read_text())["networks"]["index"] == {"internal": True}


def test_all_that_is_published_is_published_to_this_machine(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 4
    for port in published:
        assert ip_address(port.split(":")[0]).is_loopback


@SERVICE
def test_the_port_that_is_published_is_the_one_that_the_service_listens_on(
    name: str, services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = services[name]["ports"]
    assert int(port.rpartition(":")[2]) == settings_of(services[name], monkeypatch).port


def test_the_example_names_every_variable_and_gives_no_secret_a_value() -> None:
    found = _VARIABLE.findall(COMPOSE.read_text())
    assert {name for name, _, _ in found} | {"COMPOSE_PROFILES"} == set(example())
    assert {name for name, kind, _ in found if kind == "?"} == set(SECRETS)
    assert {name for name, value in example().items() if not value} == set(SECRETS) | OPTIONAL
    for name, kind, default in found:
        if kind == "-" and name not in OPTIONAL:
            assert example()[name] == default


def test_prometheus_scrapes_the_services_under_the_names_that_they_have(services: dict[str, dict[str, Any]]) -> None:
    scrape = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scrape["scrape_configs"]}
    assert targets == {"xqg": [f"xqg:{environment('service')['XQG_PORT']}"], "qdrant": ["qdrant:6333"]}
    assert "xqg" in services["xqg-gpu"]["networks"]["default"]["aliases"]
    assert set(services["prometheus"]["networks"]) == {"default", "index"}
    (secret,) = services["prometheus"]["secrets"]
    assert scrape["scrape_configs"][1]["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    mounted = [volume.split(":")[1] for volume in services["prometheus"]["volumes"]]
    assert {f"/etc/prometheus/{file}" for file in scrape["rule_files"]} <= set(mounted)
    assert f"--config.file={mounted[0]}" in services["prometheus"]["command"]


def test_grafana_finds_prometheus_and_the_dashboard(services: dict[str, dict[str, Any]]) -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "xqg.yaml").read_text())["providers"]
    mounts = dict(reversed(volume.split(":")[:2]) for volume in services["grafana"]["volumes"])
    assert mounts[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounts["/etc/grafana/provisioning"] == "./grafana/provisioning"
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]


def test_every_file_that_is_mounted_is_there(services: dict[str, dict[str, Any]]) -> None:
    volumes = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    assert not [path for path in volumes if path.startswith(".") and not (DEPLOY / path).exists()]


@SERVICE
def test_the_service_is_healthy_once_it_is_ready(name: str, services: dict[str, dict[str, Any]]) -> None:
    kind, *command = services[name]["healthcheck"]["test"]
    (checked,) = [rest for word, rest in stages()["service"] if word == "HEALTHCHECK"]
    assert kind == "CMD"
    assert f'"{command[0]}", "{command[1]}"' in checked
    assert command[2:] == ["/readyz"]


@pytest.mark.skipif(not shutil.which("bash"), reason="the check of Qdrant's image is written for bash")
def test_the_check_of_qdrant_tells_an_answer_of_200_from_others_and_from_none(
    services: dict[str, dict[str, Any]], service: str
) -> None:
    kind, *command = services["qdrant"]["healthcheck"]["test"]

    def check(port: str, path: str = "/readyz") -> int:
        script = command[-1].replace("$$", "$").replace("6333", port).replace("/readyz", path)
        return subprocess.run([*command[:-1], script], capture_output=True, check=False).returncode

    port = service.rpartition(":")[2]
    assert kind == "CMD"
    assert check(port) == 0
    assert check(port, "/v1/nowhere") != 0
    assert check(str(free_port())) != 0
