"""The user's own passages, with the generated queries that can be fused into them."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import InputError
from app.passages import Passage
from offline.evaluate.dataset import Augmentation, Kind
from offline.staging import open_staging, read_staged, stage


@dataclass(frozen=True, slots=True)
class AugmentedCorpus:
    """Passages and their generated queries, in corpus order."""

    files: tuple[Path, ...]
    passages: Sequence[Passage]
    augmentations: dict[Kind, Sequence[Augmentation]]
    """Empty where no file of queries was given."""
    notes: dict[str, int]


def read_augmented(corpus: Path, queries: Path | None, ignore_unmatched: bool) -> AugmentedCorpus:
    """Read and join both files under the very rules of ``embed``.

    Raises:
        InputError: what ``embed`` refuses is refused here too, as is a file without a query for any passage.
        ConfigurationError: a file is missing or of an unknown kind.
    """
    with tempfile.TemporaryDirectory() as folder:
        staging = Path(folder) / "staging.sqlite"
        report = stage(staging, corpus, queries, ignore_unmatched)
        with open_staging(staging) as database:
            staged = list(read_staged(database))
    passages = [replace(passage, generated_queries={}) for passage in staged]
    if queries is None:
        return AugmentedCorpus((corpus,), passages, {}, {})
    augmentations = [
        Augmentation(passage.docid, lang, text)
        for passage in staged
        for lang, texts in passage.generated_queries.items()
        for text in texts
    ]
    if not augmentations:
        raise InputError(f"{queries} holds no query for any passage; is it the right file?")
    notes = dict(report.mended)
    if report.passages > report.augmented_passages:
        notes["passages without generated queries"] = report.passages - report.augmented_passages
    for lang, count in report.lacking.items():
        notes[f"passages with fewer {lang} queries than their file promises"] = count
    return AugmentedCorpus((corpus, queries), passages, {"queries": augmentations}, notes)
