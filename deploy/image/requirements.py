"""Print what pyproject.toml asks for, with the extras that are named, one requirement a line.

For an image whose packages are a layer of their own: the project's code, which changes more often, comes after it.
"""

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """The project's dependencies, then those of each extra.

    Raises:
        KeyError: pyproject.toml has no such extra.
    """
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    return project["dependencies"] + [line for extra in extras for line in optional[extra]]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in requirements(Path("pyproject.toml"), sys.argv[1:]))
