"""Data files that installed packages carry."""

from importlib import metadata
from pathlib import Path

from app.errors import ConfigurationError


def installed_file(distribution: str, name: str) -> Path:
    """Where an installed distribution keeps a file of that name; nothing of it is imported.

    Raises:
        ConfigurationError: it is not installed, or another release that has no such file.
    """
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError as error:
        raise ConfigurationError(f"the demo needs the package {distribution}; install the `demo` extra") from error
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise ConfigurationError(f"the installed {distribution} has no {name}; install the version of the `demo` extra")
