"""XOR-TyDi QA, task XOR-Retrieve: questions in seven languages, judged by their English answers alone.

Asai et al. 2021, https://nlp.cs.washington.edu/xorqa: the files
``xor_{train,dev}_retrieve_eng_span*.jsonl``, one JSON object a line.  The passages are the user's.
"""

from collections import Counter
from pathlib import Path

from app.errors import InputError
from offline.evaluate.dataset import Dataset
from offline.evaluate.datasets.corpus import AugmentedCorpus
from offline.evaluate.datasets.files import digests, find_one
from offline.evaluate.datasets.question_lines import grouped, read_question_lines, refuse_unknown_language

_OFFICIAL = "xor_{train,dev}_retrieve_eng_span*.jsonl"


def read_xor_tydi(data: Path, corpus: AugmentedCorpus) -> Dataset:
    """Read the questions that have answers; those without are counted, for nothing could judge them.

    Raises:
        ConfigurationError: there is no such file.
        InputError: a line cannot be read, its language is unknown, or no question has an answer.
    """
    path = find_one(data, "xor_*_retrieve_eng_span*.jsonl*", _OFFICIAL)
    notes: Counter[str] = Counter()
    questions = []
    for line in read_question_lines(path, _OFFICIAL, notes):
        refuse_unknown_language(path, line)
        if line.question.answers:
            questions.append(line.question)
        else:
            notes["questions without an answer, left out"] += 1
    if not questions:
        raise InputError(f"{path}: no question has an answer to judge by, as in the official test file; use dev")
    return Dataset(
        name="xor-tydi",
        files=digests([path, *corpus.files]),
        passages=corpus.passages,
        questions=grouped(questions),
        augmentations=corpus.augmentations,
        notes=notes + Counter(corpus.notes),
    )
