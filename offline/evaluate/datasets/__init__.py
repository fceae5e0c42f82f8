"""Evaluation sets, read from their official files at a path that the user gives; none is bundled."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.errors import ConfigurationError
from offline.evaluate.dataset import Dataset
from offline.evaluate.datasets.beir import corpus_of, read_beir
from offline.evaluate.datasets.corpus import AugmentedCorpus, read_augmented
from offline.evaluate.datasets.mlqa import read_mlqa
from offline.evaluate.datasets.vital import read_vital
from offline.evaluate.datasets.xor_tydi import read_xor_tydi
from offline.evaluate.datasets.xquad import read_xquad

DatasetKind = Literal["xor-tydi", "xquad", "mlqa", "beir", "vital"]


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """Which evaluation set to read, and from where."""

    kind: DatasetKind
    data: Path
    """Its folder, or the file of questions where there is one: ``xor-tydi`` and ``vital``."""
    corpus: Path | None = None
    """Passages; ``beir`` has its own in the folder, ``xquad`` and ``mlqa`` have none but their own."""
    queries: Path | None = None
    """Generated queries for the corpus."""
    languages: tuple[str, ...] = ()
    """Of the questions to ask; empty for all.  What is fused into passages stays as it is."""
    ignore_unmatched: bool = False
    """Leave out generated queries for passages that are not in the corpus, and count them."""


def open_dataset(request: DatasetRequest) -> Dataset:
    """Read an evaluation set whole.

    Raises:
        ConfigurationError: a file or an option is missing, or one is given that the set has no use for.
        InputError: a file is not what it should be; names the official file that was expected.
    """
    return _restricted(_read(request), request.languages)


def _read(request: DatasetRequest) -> Dataset:
    match request.kind:
        case "xor-tydi":
            return read_xor_tydi(request.data, _augmented(request, request.corpus))
        case "vital":
            return read_vital(request.data, _augmented(request, request.corpus))
        case "beir":
            return read_beir(request.data, _augmented(request, request.corpus or corpus_of(request.data)))
    if request.corpus is not None or request.queries is not None:
        raise ConfigurationError(
            f"{request.kind} brings its own passages, and the human questions to fuse; leave out --corpus and --queries"
        )
    return read_xquad(request.data) if request.kind == "xquad" else read_mlqa(request.data)


def _augmented(request: DatasetRequest, corpus: Path | None) -> AugmentedCorpus:
    if corpus is None:
        demo = ", such as the one that `python -m offline demo` writes" if request.kind == "vital" else ""
        raise ConfigurationError(f"{request.kind} holds questions alone; give its passages as --corpus{demo}")
    return read_augmented(corpus, request.queries, request.ignore_unmatched)


def _restricted(dataset: Dataset, languages: tuple[str, ...]) -> Dataset:
    """The dataset with the questions of these languages alone."""
    wanted = {language.strip().lower() for language in languages}
    absent = sorted(wanted - set(dataset.languages))
    if absent:
        raise ConfigurationError(
            f"--language: there is no question in {', '.join(absent)}; there are {', '.join(dataset.languages)}"
        )
    if not wanted:
        return dataset
    questions = [question for question in dataset.questions if question.lang in wanted]
    others = len(dataset.questions) - len(questions)
    notes = {**dataset.notes, "questions in languages that were not asked for": others} if others else dataset.notes
    return replace(dataset, questions=questions, notes=notes)
