"""The README of the manifests, typed from top to bottom to stand-ins for kubectl, kustomize, docker and make."""

import itertools
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.manifests import KUBERNETES

README = (KUBERNETES / "README.md").read_text()
NOTE = '#!/bin/sh\nprintf "%s\\t" "$PWD" "$(basename "$0")" "$@" >> "$TYPED"; echo >> "$TYPED"\n'
SLEEP_S = 60

Typed = list[tuple[Path, list[str]]]
"""Each command with the folder that it was typed in."""


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    root, programs = tmp_path_factory.mktemp("repository"), tmp_path_factory.mktemp("programs")
    for name in ("deploy", "offline", "Dockerfile"):
        (root / name).symlink_to(ROOT / name)
    for name in ("make", "docker", "kustomize", "kubectl", "curl"):
        (programs / name).write_text(NOTE)
        (programs / name).chmod(0o755)
    with (programs / "make").open("a") as make:
        make.write("mkdir -p var/demo/bundle; touch var/demo/corpus.jsonl\n")
    with (programs / "kubectl").open("a") as kubectl:  # forwards ports until it is ended
        kubectl.write(f'case "$*" in *port-forward*) exec /bin/sleep {SLEEP_S} > /dev/null 2>&1;; esac\n')
    (programs / "sleep").write_text("#!/bin/sh\n")
    (programs / "sleep").chmod(0o755)
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = re.sub(r"(?m)^\$ ", "", "".join(blocks))
    record = programs / "typed"
    subprocess.run(
        ["bash", "-euc", f"trap 'kill $(jobs -p)' EXIT\n{lines}\ntest \"$PWD\" = {root}"],
        cwd=root,
        env={"PATH": f"{programs}:{os.environ['PATH']}", "TYPED": str(record)},
        check=True,
        timeout=SLEEP_S / 2,
    )
    rows = [line.rstrip("\t").split("\t") for line in record.read_text().splitlines()]
    return [(Path(folder), words) for folder, *words in rows]


def test_every_path_of_the_readme_is_there_when_it_is_typed(typed: Typed) -> None:
    paths = [
        folder / path
        for folder, (program, *words) in typed
        if program in ("kubectl", "docker")
        for option, path in itertools.pairwise(words)
        if option in ("-k", "-f") and path.startswith("deploy")
    ]
    assert len(paths) > 5
    for path in paths:
        assert (path / "kustomization.yaml").is_file() if path.is_dir() else path.is_file(), path
    contexts = [folder / words[-1] for folder, words in typed if words[:2] == ["docker", "build"]]
    assert contexts
    assert all(context.is_dir() for context in contexts)


def test_images_are_built_pushed_and_named_to_every_folder_that_pulls_them(typed: Typed) -> None:
    built = {words[words.index("-t") + 1] for _, words in typed if words[:2] == ["docker", "build"]}
    pushed = {words[2] for _, words in typed if words[:2] == ["docker", "push"]}
    edits = [
        (folder, dict(each.split("=") for each in words[4:])) for folder, words in typed if words[0] == "kustomize"
    ]
    assert built == pushed == {image for _, images in edits for image in images.values()}
    assert {folder.name for folder, _ in edits} == {"cpu", "gpu", "rebuild"}
    for folder, images in edits:
        wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())["images"]
        assert images == {each["name"]: f"registry.example/{each['name']}:{each['newTag']}" for each in wanted}


def test_the_image_for_gpus_is_built_for_them(typed: Typed) -> None:
    (build,) = (words for _, words in typed if words[:2] == ["docker", "build"] and words[-2].endswith("-gpu"))
    assert "RUNTIME=gpu" in build
    assert "ARG RUNTIME=" in (ROOT / "Dockerfile").read_text()


def test_whoever_waits_gives_up_and_nobody_reads_a_log_before_its_pod_runs(typed: Typed) -> None:
    asked = [words for _, words in typed if words[0] == "kubectl"]
    waits = [words for words in asked if {"wait", "rollout"} & set(words)]
    assert waits
    assert all(any(word.startswith("--timeout=") for word in words) for words in waits)
    (log,) = (number for number, words in enumerate(asked) if "logs" in words)
    job = asked[log][-1]
    assert "wait" in asked[log - 1]
    assert job in asked[log - 1]
