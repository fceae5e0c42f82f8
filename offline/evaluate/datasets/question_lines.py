"""Questions out of JSON lines: those of XOR-TyDi QA, of ``vital``, and BEIR's ``queries.jsonl``."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import InputError, XqgError
from app.languages import normalise_tag
from offline.evaluate.dataset import Question
from offline.evaluate.datasets.cleaning import cleaned, cleaned_tag
from offline.files import records


@dataclass(frozen=True, slots=True)
class QuestionLine:
    """A question as its line gives it, with nothing relevant yet."""

    number: int
    """Of the line, from 1."""
    question: Question
    """``lang`` is empty where the line has none."""
    record: dict[str, Any]


def read_question_lines(path: Path, official: str, notes: Counter[str]) -> Iterator[QuestionLine]:
    """Yield every question once; lines that repeat one word for word are counted in ``notes``.

    A line has ``_id`` or ``id``, ``question`` or ``text``, and may have ``lang`` (or
    ``metadata.lang``) and ``answers``, a list of strings.

    Raises:
        InputError: a line cannot be read, or gives an id again with another content.
        ConfigurationError: the file is missing or of an unknown kind.
    """
    first: dict[str, dict[str, Any]] = {}
    for number, record in _records(path, official):
        question = _question(path, number, record, official, notes)
        before = first.setdefault(question.id, record)
        if before is record:
            yield QuestionLine(number, question, record)
        elif before == record:
            notes["repeated lines of questions"] += 1
        else:
            problem = f"the id {question.id!r} was given before with another content"
            raise InputError.at(path, number, problem, "give every question an id of its own")
    if not first:
        raise InputError(f"{path} holds no question; expected {official}")


def refuse_unknown_language(path: Path, line: QuestionLine) -> None:
    """Raises InputError for a question in none of the seven languages of XOR-TyDi QA."""
    try:
        normalise_tag(line.question.lang)
    except ValueError as error:
        raise InputError.at(path, line.number, str(error), "mend the tag or drop the line") from error


def grouped(questions: Iterable[Question]) -> list[Question]:
    """By language, those of a language in the order in which they came."""
    return sorted(questions, key=lambda question: question.lang)


def _records(path: Path, official: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        yield from records(path)
    except XqgError as error:
        raise type(error)(f"{error.message}; expected {official}") from error


def _question(path: Path, number: int, record: dict[str, Any], official: str, notes: Counter[str]) -> Question:
    given = record.get("_id", record.get("id"))
    if given in (None, "") or not isinstance(given, str | int):
        raise InputError.at(path, number, "the line has no question id", f"expected {official}")
    text = record.get("question", record.get("text"))
    if not isinstance(text, str) or not (text := cleaned(text, notes)):
        raise InputError.at(path, number, f"the line of {given!r} has no question", f"expected {official}")
    metadata = record.get("metadata")
    tag = record.get("lang") or (metadata.get("lang") if isinstance(metadata, dict) else None) or ""
    if not isinstance(tag, str):
        raise InputError.at(path, number, f"the lang of {given!r} is no string", 'write {"lang": "ar"}')
    answers = record.get("answers") or []
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise InputError.at(path, number, f"the answers of {given!r} are no list of strings", 'write ["...", "..."]')
    kept = tuple(answer for answer in answers if answer.strip())
    notes["blank answers dropped"] += len(answers) - len(kept)  # any passage contains the empty string
    return Question(id=str(given), lang=cleaned_tag(tag, notes), text=text, answers=kept, source=str(given))
