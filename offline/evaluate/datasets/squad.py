"""SQuAD-style JSON: articles of paragraphs, each with questions that it answers."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from app.errors import InputError
from offline.evaluate.datasets.cleaning import cleaned


class _Answer(BaseModel):
    text: str


class _Question(BaseModel):
    id: str
    question: str
    answers: list[_Answer] = []


class _Paragraph(BaseModel):
    context: str
    qas: list[_Question]


class _Article(BaseModel):
    title: str = "untitled"
    paragraphs: list[_Paragraph]


class _Squad(BaseModel):
    data: list[_Article]


@dataclass(frozen=True, slots=True)
class AskedOf:
    """A question that a paragraph answers."""

    id: str
    """The same in every language."""
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of an article."""

    title: str
    """Of the article."""
    text: str
    questions: tuple[AskedOf, ...]


def read_paragraphs(path: Path, notes: Counter[str]) -> list[Paragraph]:
    """Read a file whole; byte order marks and spaces around texts are removed and counted.

    Raises:
        InputError: the file is no SQuAD-style JSON, holds no question, or gives an id to two questions.
    """
    try:
        squad = _Squad.model_validate_json(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise InputError(f"{path} is not the SQuAD-style JSON of {path.name} ({where}: {first['msg']})") from error
    paragraphs = []
    seen: dict[str, tuple[str, _Question]] = {}
    for article in squad.data:
        for each in article.paragraphs:
            text = cleaned(each.context, notes)
            if not text:
                notes["empty paragraphs, left out with their questions"] += 1
                continue
            questions = []
            for asked in each.qas:
                before = seen.setdefault(asked.id, (text, asked))
                if before != (text, asked):
                    raise InputError(f"{path}: the question id {asked.id!r} comes twice with another content")
                if before[1] is not asked:
                    notes["repeated questions"] += 1
                elif wording := cleaned(asked.question, notes):
                    answers = tuple(answer.text for answer in asked.answers if answer.text.strip())
                    questions.append(AskedOf(asked.id, wording, answers))
                else:
                    notes["empty questions, left out"] += 1
            paragraphs.append(Paragraph(article.title, text, tuple(questions)))
    if not any(paragraph.questions for paragraph in paragraphs):
        raise InputError(f"{path} holds no question; is it the official {path.name}?")
    return paragraphs
