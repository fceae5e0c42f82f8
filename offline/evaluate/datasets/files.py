"""Official files: where they are in a folder, and which bytes they had."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from app.bundle import sha256_of
from app.errors import ConfigurationError


def find_file(folder: Path, *names: str) -> Path:
    """The first of these names that is in the folder, plain or with ``.gz``.

    Raises:
        ConfigurationError: none is.
    """
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise ConfigurationError(f"there is no {' or '.join(names)} in {folder}")


def find_one(data: Path, pattern: str, official: str) -> Path:
    """The file itself, or the one file in the folder whose name fits the pattern.

    Raises:
        ConfigurationError: there is none, or there are several.
    """
    if data.is_file():
        return data
    found = sorted(path for path in data.glob(pattern) if path.is_file())
    if not found:
        raise ConfigurationError(f"there is no {official} at {data}")
    if len(found) > 1:
        raise ConfigurationError(f"{data} holds {', '.join(path.name for path in found)}; give one of them")
    return found[0]


def digests(files: Sequence[Path]) -> dict[str, str]:
    """Name to SHA-256 in hex of each file; names that clash get as many folders as tell them apart."""
    paths = list(dict.fromkeys(path.resolve() for path in files))
    for parts in count(1):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(paths):
            break
    return {name: sha256_of(path) for name, path in zip(names, paths, strict=True)}
