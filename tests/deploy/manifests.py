"""The Kubernetes manifests as kustomize renders them."""

import functools
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
SERVICES = ("overlays/cpu", "overlays/gpu")
QDRANT = "overlays/qdrant-cluster"
REBUILDS = ("rebuild", "rebuild-once")
FOLDERS = (*SERVICES, QDRANT, *REBUILDS)

Manifest = dict[str, Any]


@functools.cache
def render(folder: str) -> list[Manifest]:
    """The objects that ``kubectl apply -k`` would send."""
    for command in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(command[0]):
            path = str(KUBERNETES / folder)
            text = subprocess.run([*command, path], capture_output=True, text=True, check=True).stdout
            return list(yaml.safe_load_all(text))
    pytest.skip("neither kubectl nor kustomize is on the PATH")


def of_kind(folder: str, kind: str) -> list[Manifest]:
    return [manifest for manifest in render(folder) if manifest["kind"] == kind]


def template(workload: Manifest) -> Manifest:
    """What its pods are made of."""
    spec = workload["spec"]
    return dict((spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"])


def templates(folder: str) -> Iterator[Manifest]:
    kinds = ("Deployment", "StatefulSet", "CronJob", "Job")
    return (template(manifest) for manifest in render(folder) if manifest["kind"] in kinds)


def containers(pod: Manifest) -> Iterator[Manifest]:
    """Of a pod's or a template's spec, those of its start included."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def selects(selector: dict[str, str], pod: Manifest) -> bool:
    """Of a Service, a policy or a workload; an empty one means every pod, and is a mistake here."""
    return bool(selector) and selector.items() <= pod["metadata"]["labels"].items()


def claimed(stateful_set: Manifest) -> list[Manifest]:
    return list(stateful_set["spec"]["volumeClaimTemplates"])


def upload_pod() -> Manifest:
    """The one that no kustomization holds."""
    return dict(yaml.safe_load((KUBERNETES / "rebuild" / "upload.yaml").read_text()))


def environment(folder: str) -> dict[str, str]:
    """What the service's container is given, each Secret's value as its name."""
    (deployment,) = of_kind(folder, "Deployment")
    (container,) = template(deployment)["spec"]["containers"]
    maps = {manifest["metadata"]["name"]: manifest["data"] for manifest in of_kind(folder, "ConfigMap")}
    given: dict[str, str] = {}
    for source in container["envFrom"]:
        given |= maps[source["configMapRef"]["name"]]
    return given | {each["name"]: each["valueFrom"]["secretKeyRef"]["name"] for each in container["env"]}
