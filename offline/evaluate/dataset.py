"""What an evaluation is made of: passages, questions that they answer, and texts to fuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from app.passages import Passage

Kind = Literal["queries", "translations"]
"""Texts that can be fused into a passage: queries that it answers, or the passage in other languages."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what is known to answer it."""

    id: str
    """Unique in the dataset."""
    lang: str
    text: str
    relevant: Mapping[str, int] = field(default_factory=dict)
    """Docid to grade (1 where the dataset knows only yes and no); empty where it judges by answers alone."""
    answers: tuple[str, ...] = ()
    """English answer strings, as the dataset spells them."""
    source: str = ""
    """Shared by the translations of one question; the id where there are none."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """A text to fuse into a passage."""

    docid: str
    lang: str
    text: str
    source: str = ""
    """``Question.source`` of the human question that this is; it is never fused when that one is asked."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Passages, questions and texts to fuse, read whole: evaluation sets are small beside corpora."""

    name: str
    """Kind of dataset: ``vital``, ``xquad``, …"""
    files: Mapping[str, str]
    """Name to SHA-256 in hex of every file that was read."""
    passages: Sequence[Passage]
    """Docids are unique; ``generated_queries`` is left empty, since augmentations hold them."""
    questions: Sequence[Question]
    """Grouped by language, in the order of the files."""
    augmentations: Mapping[Kind, Sequence[Augmentation]]
    """In corpus order, those of a passage and language in the order in which they were written."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """What was mended or left out, and how often: ``questions without a passage here``: 3."""

    @property
    def languages(self) -> list[str]:
        """Languages of the questions, sorted."""
        return sorted({question.lang for question in self.questions})
