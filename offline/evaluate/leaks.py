"""Questions that are themselves among the texts fused into passages.

A passage that holds the very question asked is found by repetition, not by retrieval, so such a
number says nothing.  On ``vital``, 16 of the 968 human questions equal a query that a language
model wrote without having seen them, 15 of them for the very passage.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.errors import InputError
from offline.evaluate.dataset import Augmentation, Dataset, Kind, Question
from offline.filter.rules import key_of

LeakPolicy = Literal["refuse", "leave-out"]
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Leak:
    """A question, and a text of another source that says the same word for word."""

    question_row: int
    """In ``Dataset.questions``."""
    augmentation_row: int
    """In the dataset's augmentations of the kind that was looked at."""
    question: Question
    augmentation: Augmentation


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Texts that are not fused while a question is asked: pairs, by question and then by text."""

    question_rows: npt.NDArray[np.int32]
    """Shape (pairs,), rows of ``Dataset.questions``."""
    augmentation_rows: npt.NDArray[np.int32]
    """Shape (pairs,), rows of the dataset's augmentations of the kind."""


def find_leaks(dataset: Dataset, kind: Kind) -> list[Leak]:
    """Every pair of a question and an equal text, whatever passage the text belongs to.

    Equal means: the same letters, marks and digits after NFKC and case folding.  Marks count,
    since the vowels of Bengali and Telugu are marks.  A text of the question's own ``source`` is
    no leak: it is always left out.
    """
    augmentations = dataset.augmentations.get(kind, ())
    by_key = _rows_by_key(augmentations)
    return [
        Leak(row, other, question, augmentations[other])
        for row, question in enumerate(dataset.questions)
        for other in by_key.get(_key(question.text), ())
        if not _is_own(question, augmentations[other])
    ]


def refuse_leaks(leaks: Sequence[Leak]) -> None:
    """Raises InputError if there are any; says how many, names the first few, and what to do."""
    if not leaks:
        return
    asked = {leak.question_row: leak for leak in reversed(leaks)}  # the first leak of each question
    some = [asked[row] for row in sorted(asked)[:_NAMED]]
    named = ", ".join(f"{leak.question.id} (a text of {leak.augmentation.docid!r})" for leak in some)
    raise InputError(
        f"{len(asked):,} of the questions to ask are themselves among the texts to fuse, such as {named}; take them "
        "out of the texts, or pass --leaks leave-out, which fuses none of them while that question is asked"
    )


def left_out(dataset: Dataset, kind: Kind, policy: LeakPolicy = "refuse") -> LeftOut:
    """What must not be fused while each question is asked: texts of its own source, and texts equal to it.

    Raises:
        InputError: the policy is ``refuse`` and there are leaks.
    """
    leaks = find_leaks(dataset, kind)
    if policy == "refuse":
        refuse_leaks(leaks)
    by_source: dict[str, list[int]] = defaultdict(list)
    for row, augmentation in enumerate(dataset.augmentations.get(kind, ())):
        if augmentation.source:
            by_source[augmentation.source].append(row)
    pairs = {(leak.question_row, leak.augmentation_row) for leak in leaks}
    pairs.update(
        (row, other) for row, question in enumerate(dataset.questions) for other in by_source.get(question.source, ())
    )
    table = np.array(sorted(pairs), dtype=np.int32).reshape(-1, 2)
    return LeftOut(question_rows=table[:, 0], augmentation_rows=table[:, 1])


def _is_own(question: Question, augmentation: Augmentation) -> bool:
    return augmentation.source != "" and augmentation.source == question.source


def _rows_by_key(augmentations: Sequence[Augmentation]) -> Mapping[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, augmentation in enumerate(augmentations):
        rows[_key(augmentation.text)].append(row)
    return rows


def _key(text: str) -> str:
    return key_of(text).replace(" ", "")  # scripts part words differently, and people do
