"""The Kubernetes manifests: fit for the API, for one another, and for the program that they run."""

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main

from app import __version__, errors
from app.operation_routes import operation_routes
from app.settings import Settings
from offline.__main__ import cli
from tests.conftest import ROOT
from tests.deploy.manifests import (
    FOLDERS,
    KUBERNETES,
    QDRANT,
    REBUILDS,
    SERVICES,
    Manifest,
    containers,
    environment,
    of_kind,
    render,
    template,
    templates,
    upload_pod,
)

SECRETS = {"xqg-qdrant", "xqg-api-keys"}
"""What an operator makes by hand, as the README of the manifests tells."""


def selects(selector: dict[str, str], pod: Manifest) -> bool:
    return bool(selector) and selector.items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("version", ["1.32", "1.37"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_manifest_is_valid_by_the_schemas_of_kubernetes(folder: str, version: str) -> None:
    for manifest in render(folder):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_pod_for_uploads_is_valid_too() -> None:
    kubernetes_validate.validate(upload_pod(), "1.37", strict=True)


@pytest.mark.parametrize("folder", [*FOLDERS, None])
def test_every_pod_is_admitted_under_the_restricted_security_standard(folder: str | None) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, and a read-only file system beyond it."""
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    pods = [upload_pod()] if folder is None else list(templates(folder))
    assert pods
    for pod in pods:
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= allowed
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()


@pytest.mark.parametrize("folder", SERVICES)
def test_the_service_starts_with_the_settings_that_it_is_given(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment(folder)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()  # refuses names that are no settings, and what cannot work together
    (deployment,) = of_kind(folder, "Deployment")
    pod = template(deployment)
    (container,) = pod["spec"]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": settings.port}]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(settings.port)
    assert settings.host == "0.0.0.0"
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert str(settings.bundle) in mounts
    assert settings.api_keys_file is not None
    keys = mounts[str(settings.api_keys_file.parent)]
    assert "subPath" not in keys  # which would never see a changed Secret
    (copy,) = pod["spec"]["initContainers"]
    assert copy["command"][-1] == str(settings.bundle)
    # uvicorn closes what is left after drain_s, and an encoder's thread that hangs gets a second
    assert pod["spec"]["terminationGracePeriodSeconds"] >= settings.drain_delay_s + settings.drain_s + 5


def test_the_overlay_for_gpus_asks_for_one_and_does_without_none() -> None:
    assert environment("overlays/gpu")["XQG_DEVICE"] == "cuda"
    (deployment,) = of_kind("overlays/gpu", "Deployment")
    (container,) = template(deployment)["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert deployment["spec"]["replicas"] >= 2
    assert not of_kind("overlays/gpu", "HorizontalPodAutoscaler")


@pytest.mark.parametrize("folder", SERVICES)
def test_probes_and_scrapes_ask_routes_that_the_service_has(folder: str) -> None:
    routes = {getattr(route, "path", "") for route in operation_routes.routes}
    (deployment,) = of_kind(folder, "Deployment")
    pod = template(deployment)
    (container,) = pod["spec"]["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert {*paths.values(), pod["metadata"]["annotations"]["prometheus.io/path"]} <= routes
    ports = {port["name"] for port in container["ports"]}
    assert all(container[f"{kind}Probe"]["httpGet"]["port"] in ports for kind in paths)


@pytest.mark.parametrize("folder", FOLDERS)
def test_selectors_and_ports_meet_the_pods_that_they_mean(folder: str) -> None:
    pods = list(templates(folder))
    for manifest in render(folder):
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector", spec.get("selector"))
        if selector is None:
            continue
        labels = selector if manifest["kind"] == "Service" else selector["matchLabels"]
        selected = [pod for pod in pods if selects(labels, pod)]
        assert len(selected) == (2 if folder == "rebuild-once" else 1), manifest["kind"]
        named = {port["name"] for pod in selected for each in containers(pod) for port in each.get("ports", [])}
        if manifest["kind"] == "Service":
            assert {port["targetPort"] for port in spec["ports"]} <= named
        if manifest["kind"] == "NetworkPolicy":
            assert {port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]} <= named
    for pod in pods:
        for spread in pod["spec"].get("topologySpreadConstraints", []):
            assert selects(spread["labelSelector"]["matchLabels"], pod)


@pytest.mark.parametrize("folder", FOLDERS)
def test_whatever_a_pod_refers_to_is_there_and_no_secret_is_committed(folder: str) -> None:
    assert not of_kind(folder, "Secret")
    for pod in templates(folder):
        known = {
            kind: {manifest["metadata"]["name"] for manifest in of_kind(folder, kind)}
            for kind in ("ConfigMap", "PersistentVolumeClaim", "ServiceAccount")
        }
        spec = pod["spec"]
        assert {spec.get("serviceAccountName")} - {None} <= known["ServiceAccount"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for volume in volumes.values():
            assert {volume.get("configMap", {}).get("name")} - {None} <= known["ConfigMap"]
            assert {volume.get("secret", {}).get("secretName")} - {None} <= SECRETS
            assert {volume.get("persistentVolumeClaim", {}).get("claimName")} - {None} <= known["PersistentVolumeClaim"]
        claims = {claim["metadata"]["name"] for each in of_kind(folder, "StatefulSet") for claim in claimed(each)}
        for container in containers(pod):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys() | claims
            references = [each["valueFrom"] for each in container.get("env", []) if "valueFrom" in each]
            assert {each["secretKeyRef"]["name"] for each in references if "secretKeyRef" in each} <= SECRETS


def claimed(stateful_set: Manifest) -> list[Manifest]:
    return list(stateful_set["spec"]["volumeClaimTemplates"])


@pytest.mark.parametrize("folder", [*SERVICES, *REBUILDS])
def test_images_are_those_that_the_dockerfile_builds_at_this_version(folder: str) -> None:
    stages = set(re.findall(r"(?im)^FROM .+ AS (\S+)", (ROOT / "Dockerfile").read_text()))
    names = {container["image"] for pod in templates(folder) for container in containers(pod)}
    for image in names:
        name, _, tag = image.partition(":")
        assert name.startswith("xqg-")
        if name == "xqg-bundle":  # the encoder, which has versions of its own
            assert (KUBERNETES / "bundle.Dockerfile").is_file()
            continue
        assert name.removeprefix("xqg-") in stages
        assert tag in (__version__, f"{__version__}-gpu")


@pytest.mark.parametrize("folder", REBUILDS)
def test_a_rebuild_is_a_command_that_exists_and_retries_only_what_another_try_may_mend(folder: str) -> None:
    for workload in (*of_kind(folder, "CronJob"), *of_kind(folder, "Job")):
        (container,) = template(workload)["spec"]["containers"]
        python, module, package, name = container["command"]
        assert (python, module, package) == ("python", "-m", "offline")
        build = typer.main.get_command(cli).commands[name]  # type: ignore[attr-defined]
        parsed = build.make_context(name, list(container["args"])).params  # refuses options that it does not know
        assert parsed["gate"] is not None
        job = workload["spec"]["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else workload["spec"]
        _, final = job["podFailurePolicy"]["rules"]
        lasting = (
            errors.ConfigurationError,
            errors.InputError,
            errors.RunConflict,
            errors.VerificationError,
            errors.GateFailed,
        )
        assert final["onExitCodes"]["values"] == [error.exit_code for error in lasting]
        assert final["onExitCodes"]["containerName"] == container["name"]
        assert template(workload)["spec"]["restartPolicy"] == "Never"  # a podFailurePolicy demands it


def test_the_job_of_a_rebuild_now_is_the_cron_jobs_word_for_word() -> None:
    (cron,) = of_kind("rebuild-once", "CronJob")
    (job,) = of_kind("rebuild-once", "Job")
    assert job["spec"] == cron["spec"]["jobTemplate"]["spec"]


def test_a_rebuild_tidies_away_old_vectors_alone(tmp_path: Path) -> None:
    (cron,) = of_kind("rebuild", "CronJob")
    tidy = next(each for each in template(cron)["spec"]["initContainers"] if each["name"] == "tidy")
    old, new = tmp_path / "vectors" / "xqg-rebuild-1", tmp_path / "vectors" / "xqg-rebuild-2"
    corpus = tmp_path / "corpus.jsonl"
    for folder in (old, new):
        (folder / "shards").mkdir(parents=True)
    corpus.touch()
    long_ago = time.time() - 40 * 86_400
    for path in (old, corpus):
        os.utime(path, (long_ago, long_ago))
    subprocess.run([part.replace("/data", str(tmp_path)) for part in tidy["command"]], check=True)
    assert not old.exists()
    assert new.is_dir()
    assert corpus.exists()


@pytest.mark.parametrize("folder", [*SERVICES, *REBUILDS])
def test_pods_reach_qdrant_and_names_and_nothing_else(folder: str) -> None:
    (policy,) = of_kind(folder, "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    to_qdrant, to_names = policy["spec"]["egress"]
    (peer,) = to_qdrant["to"]
    (qdrant,) = templates(QDRANT)
    assert selects(peer["podSelector"]["matchLabels"], qdrant)
    ports = {port["containerPort"] for container in containers(qdrant) for port in container["ports"]}
    assert {port["port"] for port in to_qdrant["ports"]} == {6333, 6334} <= ports
    assert {port["port"] for port in to_names["ports"]} == {53}
    clients = of_kind(QDRANT, "NetworkPolicy")[0]["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]
    assert all(selects(clients, pod) for pod in templates(folder))
    assert not selects(clients, qdrant)


def test_qdrant_is_where_service_and_rebuild_look_for_it() -> None:
    names = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind(QDRANT, "Service")}
    assert {port["port"] for port in names["qdrant"]["ports"]} == {6333, 6334}
    for folder in SERVICES:
        assert environment(folder)["XQG_INDEX"] == "http://qdrant:6333"
    for pod in templates("rebuild"):
        assert "--index=http://qdrant:6333" in pod["spec"]["containers"][0]["args"]


@pytest.mark.parametrize("number", [0, 2])
def test_the_first_node_founds_the_cluster_and_the_others_join_it(number: int, tmp_path: Path) -> None:
    (stateful_set,) = of_kind(QDRANT, "StatefulSet")
    headless: dict[str, Any] = stateful_set["spec"]
    entrypoint = tmp_path / "entrypoint.sh"
    entrypoint.write_text('#!/bin/sh\necho "$@"\n')
    entrypoint.chmod(0o755)
    said = subprocess.run(
        ["/bin/sh", str(KUBERNETES / QDRANT / "start.sh")],
        cwd=tmp_path,
        env={"POD_NAME": f"qdrant-{number}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    address = f"http://qdrant-{{}}.{headless['serviceName']}:6335"
    joins = ["--bootstrap", address.format(0)] if number else []
    assert said == ["--uri", address.format(number), *joins]
    assert stateful_set["metadata"]["name"] == "qdrant"


def test_copies_of_a_shard_survive_the_loss_of_a_node() -> None:
    (stateful_set,) = of_kind(QDRANT, "StatefulSet")
    (budget,) = of_kind(QDRANT, "PodDisruptionBudget")
    nodes = stateful_set["spec"]["replicas"]
    (pod,) = templates("rebuild")
    options = dict(option.removeprefix("--").split("=") for option in pod["spec"]["containers"][0]["args"])
    away = budget["spec"]["maxUnavailable"]
    assert int(options["replication-factor"]) > away
    assert nodes - away > nodes / 2  # what is left decides
    apart = stateful_set["spec"]["template"]["spec"]["topologySpreadConstraints"][0]
    assert (apart["topologyKey"], apart["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
