"""Punkt, the sentence splitter that NLTK's word tokens need; its data comes apart from NLTK."""

from functools import cache
from importlib import metadata
from pathlib import Path

import nltk

from app.errors import ConfigurationError

_DATA = "tokenizers/punkt_tab/english/"
_WHEEL = "llama-index-core"


@cache
def require_punkt() -> None:
    """See to it that NLTK finds Punkt's English data.

    NLTK's own search path comes first.  The wheel ``llama-index-core`` carries the data too, for
    machines that reach a package index but not NLTK's site; nothing of it is imported.

    Raises:
        ConfigurationError: the data is in neither place.
    """
    if _is_found():
        return
    carried = _carried_folder()
    if carried is not None:
        nltk.data.path.append(str(carried))
    if not _is_found():
        raise ConfigurationError(
            "R@2kt and R@5kt need NLTK's Punkt data; run `python -m nltk.downloader punkt_tab`, "
            f"or, where NLTK's site is out of reach, `pip install --no-deps {_WHEEL}`"
        )


def _is_found() -> bool:
    try:
        nltk.data.find(_DATA)
    except LookupError:
        return False
    return True


def _carried_folder() -> Path | None:
    """The folder of NLTK data inside the wheel, if it is installed and has one."""
    try:
        files = metadata.files(_WHEEL) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if f"/{_DATA}" in file.as_posix():
            return Path(str(file.locate())).parents[len(Path(_DATA).parts)]
    return None
