"""XQuAD: 240 paragraphs and 1,190 questions of SQuAD, professionally translated.

Artetxe et al. 2020, https://github.com/google-deepmind/xquad: the files ``xquad.<language>.json``.
"""

import re
from pathlib import Path

from app.errors import ConfigurationError
from offline.evaluate.dataset import Dataset
from offline.evaluate.datasets.parallel import ENGLISH, ParallelFile, join

_NAME = re.compile(r"xquad\.([a-z]{2,3})\.json")


def read_xquad(folder: Path) -> Dataset:
    """Read every language in the folder.

    Raises:
        ConfigurationError: there is no ``xquad.en.json``.
        InputError: a file cannot be read.
    """
    found = {match[1]: path for path in sorted(folder.glob("xquad.*.json")) if (match := _NAME.fullmatch(path.name))}
    if ENGLISH not in found:
        raise ConfigurationError(f"there is no xquad.en.json in {folder}; give the folder of the xquad.<language>.json")
    return join("xquad", [ParallelFile(path, lang, lang) for lang, path in found.items()])
