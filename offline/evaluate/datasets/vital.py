"""``vital``, this project's own set: human XOR-TyDi questions, each with a Wikipedia introduction that answers it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from app.errors import InputError
from offline.evaluate.dataset import Dataset
from offline.evaluate.datasets.corpus import AugmentedCorpus
from offline.evaluate.datasets.files import digests, find_one
from offline.evaluate.datasets.question_lines import grouped, read_question_lines, refuse_unknown_language

_OFFICIAL = "questions.jsonl"


def read_vital(data: Path, corpus: AugmentedCorpus) -> Dataset:
    """Read the questions whose passage (``docid``) is in the corpus; the others are counted.

    Raises:
        ConfigurationError: there is no such file.
        InputError: a line cannot be read, or no passage is in the corpus.
    """
    path = find_one(data, _OFFICIAL, _OFFICIAL)
    docids = {passage.docid for passage in corpus.passages}
    notes: Counter[str] = Counter()
    questions = []
    for line in read_question_lines(path, f"vital's {_OFFICIAL}", notes):
        refuse_unknown_language(path, line)
        docid = line.record.get("docid")
        if not isinstance(docid, str) or not docid:
            problem = f"the question {line.question.id!r} has no docid"
            raise InputError.at(path, line.number, problem, "name the passage that answers it")
        if docid in docids:
            questions.append(replace(line.question, relevant={docid: 1}))
        else:
            notes["questions whose passage is not in the corpus, left out"] += 1
    if not questions:
        raise InputError(f"{path}: no question's passage is in {corpus.files[0]}; is it the demo's corpus?")
    return Dataset(
        name="vital",
        files=digests([path, *corpus.files]),
        passages=corpus.passages,
        questions=grouped(questions),
        augmentations=corpus.augmentations,
        notes=notes + Counter(corpus.notes),
    )
