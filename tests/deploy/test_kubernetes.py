"""The Kubernetes manifests: fit for the API, for one another, and for the program that they run."""

import os
import re
import subprocess
import time
from pathlib import Path

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
    REBUILDS,
    SERVICES,
    claimed,
    containers,
    environment,
    of_kind,
    render,
    selects,
    template,
    templates,
    upload_pod,
)

SECRETS = {"xqg-qdrant", "xqg-api-keys"}
"""What an operator makes by hand, as the README of the manifests tells."""


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


def test_what_a_gpus_driver_keeps_in_the_home_folder_does_not_get_the_pod_evicted() -> None:
    (deployment,) = of_kind("overlays/gpu", "Deployment")
    (temporary,) = (each for each in template(deployment)["spec"]["volumes"] if each["name"] == "tmp")
    size, unit = temporary["emptyDir"]["sizeLimit"][:-2], temporary["emptyDir"]["sizeLimit"][-2:]
    assert unit == "Gi"
    assert int(size) > 1  # CUDA_CACHE_MAXSIZE is 1 GiB unless it is set


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


def test_a_bundle_that_was_exported_for_one_user_alone_is_readable_for_that_of_the_pods() -> None:
    lines = (KUBERNETES / "bundle.Dockerfile").read_text().splitlines()
    (copied,) = (line for line in lines if line.startswith("COPY "))
    (mode,) = re.findall(r"--chmod=([0-7]+)\b", copied)
    assert int(mode, 8) & 0o055 == 0o055


def test_service_and_rebuild_have_the_same_encoder() -> None:
    pods = [pod for folder in (*SERVICES, *REBUILDS) for pod in templates(folder)]
    images = [container["image"] for pod in pods for container in containers(pod)]
    (bundle,) = {image for image in images if image.startswith("xqg-bundle")}  # another's index is refused
    assert bundle.count(":") == 1


@pytest.mark.parametrize("folder", REBUILDS)
def test_a_job_and_its_retries_have_a_folder_for_vectors_and_the_next_job_another(folder: str) -> None:
    for pod in templates(folder):
        (container,) = pod["spec"]["containers"]
        (option,) = (each for each in container["args"] if each.startswith("--vectors="))
        name = option.removeprefix("--vectors=/data/vectors/$(").removesuffix(")")
        (variable,) = (each for each in container["env"] if each["name"] == name)
        # a name is used again, and an older folder then belongs to a run with another corpus: exit 4
        label = variable["valueFrom"]["fieldRef"]["fieldPath"]
        assert label == "metadata.labels['batch.kubernetes.io/controller-uid']"


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
            errors.OutOfSpace,
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
    old, new = tmp_path / "vectors" / "1f0c", tmp_path / "vectors" / "2a9d"
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
