"""Qdrant on Kubernetes: found by service and rebuild, founded once, and able to lose a node."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.deploy.manifests import (
    KUBERNETES,
    QDRANT,
    REBUILDS,
    SERVICES,
    claimed,
    containers,
    environment,
    of_kind,
    selects,
    template,
    templates,
)


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


def test_nodes_of_qdrant_reach_one_another_at_the_ports_that_they_listen_on() -> None:
    (policy,) = of_kind(QDRANT, "NetworkPolicy")
    to_nodes, _ = policy["spec"]["egress"]
    (qdrant,) = templates(QDRANT)
    (peer,) = to_nodes["to"]
    assert selects(peer["podSelector"]["matchLabels"], qdrant)
    listening = {port["name"]: port["containerPort"] for each in containers(qdrant) for port in each["ports"]}
    assert {port["port"] for port in to_nodes["ports"]} == {listening["http"], listening["p2p"]}


def test_a_rebuild_that_hangs_ends_before_the_one_of_the_next_week() -> None:
    (job,) = of_kind("rebuild", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert 0 < job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 7 * 86_400


def test_qdrant_is_where_service_and_rebuild_look_for_it() -> None:
    names = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind(QDRANT, "Service")}
    assert {port["port"] for port in names["qdrant"]["ports"]} == {6333, 6334}
    for folder in SERVICES:
        assert environment(folder)["XQG_INDEX"] == "http://qdrant:6333"
    for pod in templates("rebuild"):
        assert "--index=http://qdrant:6333" in pod["spec"]["containers"][0]["args"]


@pytest.mark.parametrize(
    ("number", "rejoin", "joined"),
    [(0, None, None), (2, None, 0), (0, 1, 1), (2, 1, 1)],
    ids=["the first founds", "others join the first", "the first joins again", "others join whom they are told"],
)
def test_a_node_founds_the_cluster_or_joins_a_member(
    number: int, rejoin: int | None, joined: int | None, tmp_path: Path
) -> None:
    (stateful_set,) = of_kind(QDRANT, "StatefulSet")
    address = f"http://qdrant-{{}}.{stateful_set['spec']['serviceName']}:6335"
    entrypoint = tmp_path / "entrypoint.sh"
    entrypoint.write_text('#!/bin/sh\necho "$@"\n')
    entrypoint.chmod(0o755)
    said = subprocess.run(
        ["/bin/sh", str(KUBERNETES / QDRANT / "start.sh")],
        cwd=tmp_path,
        env={"POD_NAME": f"qdrant-{number}"} | ({} if rejoin is None else {"REJOIN": address.format(rejoin)}),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    joins = [] if joined is None else ["--bootstrap", address.format(joined)]
    assert said == ["--uri", address.format(number), *joins]
    assert stateful_set["metadata"]["name"] == "qdrant"


def test_what_the_runbook_makes_for_a_first_node_without_its_volume_is_what_its_pod_reads() -> None:
    (stateful_set,) = of_kind(QDRANT, "StatefulSet")
    (container,) = template(stateful_set)["spec"]["containers"]
    (rejoin,) = (each["valueFrom"]["configMapKeyRef"] for each in container["env"] if each["name"] == "REJOIN")
    assert rejoin["optional"]
    runbook = (ROOT / "deploy" / "runbook.md").read_text()
    address = f"http://qdrant-1.{stateful_set['spec']['serviceName']}:6335"
    assert f"create configmap {rejoin['name']} --from-literal={rejoin['key']}={address}\n" in runbook
    assert f"delete configmap {rejoin['name']}`" in runbook
    (claim,) = (each["metadata"]["name"] for each in claimed(stateful_set) if each["metadata"]["name"] == "storage")
    assert f"delete pvc {claim}-{stateful_set['metadata']['name']}-0 " in runbook


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
