"""``evaluate``: what xQG does to recall, per language, and whether the difference is real."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import ConfigurationError


@contextmanager
def needing_extra() -> Iterator[None]:
    """What is imported within comes with the extra ``evaluate``, which no other command needs.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed; install the extra `evaluate`: pip install '.[evaluate]'"
        ) from error
