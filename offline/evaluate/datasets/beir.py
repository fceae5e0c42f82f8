"""A set of the user's own in BEIR's layout: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv``.

Thakur et al. 2021; the layout is that of BEIR's wiki, "Load your custom dataset".  BEIR itself
writes the judgements to ``qrels/test.tsv``, which is read where there is no ``qrels.tsv``.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from app.errors import InputError
from app.languages import UNKNOWN
from offline.evaluate.dataset import Dataset
from offline.evaluate.datasets.corpus import AugmentedCorpus
from offline.evaluate.datasets.files import digests, find_file
from offline.evaluate.datasets.question_lines import grouped, read_question_lines
from offline.files import lines

_COLUMNS = "query-id, corpus-id and score, parted by tabs"


def corpus_of(folder: Path) -> Path:
    """The folder's own passages; raises ConfigurationError where there are none."""
    return find_file(folder, "corpus.jsonl")


def read_beir(folder: Path, corpus: AugmentedCorpus) -> Dataset:
    """Read the questions that have a relevant passage in the corpus; what is left out is counted.

    A question's language is its ``lang`` or ``metadata.lang``, else ``unknown``; ``answers``, a
    list of strings, is optional.

    Raises:
        ConfigurationError: a file is missing.
        InputError: a line cannot be read, or no question has a relevant passage in the corpus.
    """
    path, judged = find_file(folder, "queries.jsonl"), find_file(folder, "qrels.tsv", "qrels/test.tsv")
    notes: Counter[str] = Counter()
    given = {line.question.id: line.question for line in read_question_lines(path, "BEIR's queries.jsonl", notes)}
    relevant = _read_judgements(judged, given, {passage.docid for passage in corpus.passages}, notes)
    questions = []
    for question in given.values():
        if question.id not in relevant:
            notes["questions without a relevant passage, left out"] += 1
            continue
        notes["questions without a language"] += not question.lang
        questions.append(replace(question, lang=question.lang or UNKNOWN, relevant=relevant[question.id]))
    if not questions:
        raise InputError(f"{judged}: no question of {path} has a relevant passage in {corpus.files[0]}")
    return Dataset(
        name="beir",
        files=digests([path, judged, *corpus.files]),
        passages=corpus.passages,
        questions=grouped(questions),
        augmentations=corpus.augmentations,
        notes=notes + Counter(corpus.notes),
    )


def _read_judgements(
    path: Path, questions: Collection[str], docids: Collection[str], notes: Counter[str]
) -> Mapping[str, Mapping[str, int]]:
    """Question id to docid to grade, of what is relevant; TREC's four columns will do as well as BEIR's three."""
    grades: dict[tuple[str, str], int] = {}
    for number, line in lines(path):
        columns = [column.strip() for column in line.split("\t")]
        if columns == [""]:
            continue
        if len(columns) not in (3, 4):
            raise InputError.at(path, number, f"the line has {len(columns)} columns", f"write {_COLUMNS}")
        question, docid, grade = columns[0], columns[-2], columns[-1]
        try:
            value = int(grade)
        except ValueError as error:
            if number == 1 and question not in questions:  # a header
                continue
            raise InputError.at(path, number, f"the score {grade!r} is no whole number", f"write {_COLUMNS}") from error
        if grades.setdefault((question, docid), value) != value:
            problem = f"{docid!r} was judged before for {question!r}, with another score"
            raise InputError.at(path, number, problem, "keep one of the lines")
    relevant: dict[str, dict[str, int]] = {}
    for (question, docid), value in grades.items():
        if value <= 0:
            notes["judgements of 0 or below, left out"] += 1
        elif question not in questions:
            notes["judgements of questions that are not there, left out"] += 1
        elif docid not in docids:
            notes["judgements of passages that are not in the corpus, left out"] += 1
        else:
            relevant.setdefault(question, {})[docid] = value
    return relevant
