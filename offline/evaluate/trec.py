"""Runs for other tools: TREC files, and a submission to XOR-TyDi QA.

A TREC run has a line per hit, ``question Q0 docid rank score tag``; TREC judgements have one per
judged passage, ``question 0 docid grade``.  White space ends a column, and a docid may be a title
such as ``Lake Nasser``, so white space and ``%`` are percent-encoded in every name
(``Lake%20Nasser``); ``urllib.parse.unquote`` restores them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from offline.evaluate.dataset import Question
from offline.evaluate.metrics.answers import TOKENS, word_tokens
from offline.evaluate.report.model import System
from offline.files import atomic_writer

_ENDS_A_COLUMN = re.compile(r"[\s%]")


def write_run(path: Path, system: System, questions: Sequence[Question], tag: str) -> None:
    """Write a system's hits as a TREC run.

    trec_eval sorts by score, which it keeps as float32, and breaks ties by docid, whatever the
    rank says.  So that it sees the order that was measured here, a score that does not fall below
    the one before is lowered to the next float32.
    """
    with atomic_writer(path) as file:
        for question, hits in zip(questions, system.top, strict=True):
            scores = _falling(hit.score for hit in hits)
            for rank, (hit, score) in enumerate(zip(hits, scores, strict=True), start=1):
                file.write(f"{_column(question.id)} Q0 {_column(hit.docid)} {rank} {score} {_column(tag)}\n")


def write_qrels(path: Path, questions: Sequence[Question]) -> None:
    """Write the judgements of the questions that have any, as TREC qrels."""
    with atomic_writer(path) as file:
        for question in questions:
            for docid, grade in question.relevant.items():
                file.write(f"{_column(question.id)} 0 {_column(docid)} {grade}\n")


def write_submission(path: Path, system: System, questions: Sequence[Question], texts: Mapping[str, str]) -> None:
    """Write a system's hits in the format of XOR-TyDi QA's retrieval task.

    One JSON list of ``{"id", "lang", "ctxs"}``, which the official ``eval_xor_retrieve.py`` reads
    as ``--pred_file``; ``ctxs`` are the texts of the hits, best first, as far as it reads.  The id is the official
    one: a language put before it (``ja:12345``) is taken off.

    Args:
        path: the file to write.
        system: with hits for every question.
        questions: the questions, in the order of the system's hits.
        texts: docid to the text that is judged, for every hit.
    """
    submission = [
        {
            "id": question.id.removeprefix(f"{question.lang}:"),
            "lang": question.lang,
            "ctxs": list(_read(texts[hit.docid] for hit in hits)),
        }
        for question, hits in zip(questions, system.top, strict=True)
    ]
    with atomic_writer(path) as file:
        json.dump(submission, file, ensure_ascii=False)


def _read(texts: Iterable[str]) -> Iterator[str]:
    """Texts up to the one that completes the tokens which the script reads."""
    tokens = 0
    for text in texts:
        yield text
        tokens += len(word_tokens(text))
        if tokens >= max(TOKENS.values()):
            return


def _column(name: str) -> str:
    return _ENDS_A_COLUMN.sub(lambda match: quote(match[0]), name)


def _falling(scores: Iterable[float]) -> Iterator[np.float32]:
    last = np.float32(np.inf)
    for score in scores:
        last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
        yield last
