"""Put the licences of everything that the images install into README.md beside this file.

Run it in an environment that has the extras of ``IMAGES`` and the packages of ``ALONE``; it reads what those that are
installed declare.
"""

import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.image.requirements import requirements

IMAGES = {"service": ["cpu"], "offline": ["cpu", "offline", "evaluate", "demo"]}
"""The extras that the Dockerfile installs into each image."""
ALONE = {"service": [], "offline": ["llama-index-core"]}
"""What it adds without the requirements of it."""

_README = Path(__file__).with_name("README.md")
_PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
_TABLE = re.compile(r"^\| licence \| packages \|.*\Z", re.MULTILINE | re.DOTALL)
_CLASSIFIER = "License :: OSI Approved :: "
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Of older packages, which declare no SPDX expression."""


def installed(lines: Iterable[str]) -> set[str]:
    """The canonical names of the distributions that requirements bring, their own requirements included.

    Raises:
        PackageNotFoundError: one of them is not installed.
    """
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in lines]
    while waiting:
        requirement, within = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": within}):
            continue
        name = canonicalize_name(requirement.name)
        found.add(name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(Requirement(line), extra) for line in metadata.requires(name) or []]
    return found


def packages(image: str) -> set[str]:
    """The canonical names of the distributions in ``service`` or ``offline``.

    Raises:
        PackageNotFoundError: one of them is not installed here.
    """
    return installed(requirements(_PYPROJECT, IMAGES[image])) | {*ALONE[image]}


def licence(distribution: str) -> str:
    """What the distribution declares: its SPDX expression, else its classifiers, else its field ``License``."""
    declared = metadata.metadata(distribution)
    if declared["License-Expression"]:
        return str(declared["License-Expression"])
    classifiers = [line for line in declared.get_all("Classifier", []) if line.startswith(_CLASSIFIER)]
    named = [line.removeprefix(_CLASSIFIER) for line in classifiers] or [declared["License"] or "not declared"]
    return ", ".join(_SPDX.get(name, name) for name in named)


def table() -> str:
    """A row of Markdown for each licence, the most frequent first."""
    service, offline = packages("service"), packages("offline")
    by_licence: dict[str, list[str]] = {}
    for name in sorted(service | offline):
        by_licence.setdefault(licence(name), []).append(name)
    lines = ["| licence | packages | in both images | in `offline` alone |", "| --- | --- | --- | --- |"]
    for terms, names in sorted(by_licence.items(), key=lambda item: (-len(item[1]), item[0])):
        both = ", ".join(name for name in names if name in service)
        alone = ", ".join(name for name in names if name not in service)
        lines.append(f"| {terms} | {len(names)} | {both} | {alone} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    text = _README.read_text(encoding="utf-8")
    changed, found = _TABLE.subn(lambda _: table(), text)
    assert found == 1, "README.md ends with one table of licences"
    _README.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    main()
