"""MLQA: questions in seven languages on Wikipedia paragraphs that share a sentence.

Lewis et al. 2020, https://github.com/facebookresearch/MLQA: of the files
``{dev,test}-context-<language>-question-<language>.json`` of one split, those with English
contexts are the passages and questions, and those with one language for both are what can be
fused.  Its contexts are comparable, not translations: they share the sentence with the answer.
"""

import re
from pathlib import Path

from app.errors import ConfigurationError
from offline.evaluate.dataset import Dataset
from offline.evaluate.datasets.parallel import ENGLISH, ParallelFile, join

_NAME = re.compile(r"(dev|test)-context-([a-z]{2,3})-question-([a-z]{2,3})\.json")


def read_mlqa(folder: Path) -> Dataset:
    """Read every language of the split in the folder.

    Raises:
        ConfigurationError: there is no ``{dev,test}-context-en-question-en.json``, or there are both splits.
        InputError: a file cannot be read.
    """
    found = [match for path in sorted(folder.glob("*.json")) if (match := _NAME.fullmatch(path.name))]
    splits = {match[1] for match in found}
    if len(splits) > 1:
        raise ConfigurationError(f"{folder} holds both splits of MLQA; put dev and test in folders of their own")
    files = [ParallelFile(folder / match[0], match[2], match[3]) for match in found if match[2] in (ENGLISH, match[3])]
    # the English pair holds every question, so docids do not depend on which other files are there
    files.sort(key=lambda file: file.questions != ENGLISH)
    if not files or (files[0].paragraphs, files[0].questions) != (ENGLISH, ENGLISH):
        raise ConfigurationError(
            f"there is no {'/'.join(sorted(splits or {'dev', 'test'}))}-context-en-question-en.json in {folder}; "
            "give the folder dev or test of MLQA_V1.zip"
        )
    return join("mlqa", files)
