"""EmbeddedDataset: a dataset in one encoder's vectors, which every study fuses anew and none embeds again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from app.bundle import EncoderIdentity, Side
from app.vectors import Vectors
from offline.evaluate.dataset import Augmentation, Dataset, Kind
from offline.evaluate.embedding_cache import EmbeddingCache
from offline.evaluate.leaks import LeftOut, left_out

_SIDES: dict[Kind, Side] = {"queries": Side.QUERY, "translations": Side.PASSAGE}


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedTexts:
    """The augmentations of one kind; each row is a text."""

    texts: Sequence[Augmentation]
    vectors: Vectors
    """E(q), float32 [texts, dimension]."""
    rows: NDArray[np.int64]
    """Row of the passage that each belongs to, int64 [texts]."""
    langs: NDArray[np.str_]
    """Language code of each, [texts]."""
    ordinals: NDArray[np.int64]
    """How many of the same passage and language come before, int64 [texts]."""
    left_out: LeftOut
    """Texts that are never fused when a question is asked."""

    @property
    def languages(self) -> list[str]:
        return sorted(set(self.langs.tolist()))

    def all(self) -> NDArray[np.bool_]:
        """A mask over the texts that selects every one."""
        return np.ones(len(self.texts), np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedDataset:
    """Vectors of a dataset, all from one encoder."""

    name: str
    """Of the encoder, as reports show it."""
    dataset: Dataset
    encoder: EncoderIdentity
    passages: Vectors
    """E(p), float32 [passages, dimension]."""
    questions: Vectors
    """float32 [questions, dimension]."""
    texts: dict[Kind, EmbeddedTexts] = field(default_factory=dict)

    @property
    def is_cosine(self) -> bool:
        return self.encoder.similarity == "cosine"


def embed_dataset(
    name: str, dataset: Dataset, cache: EmbeddingCache, asking: EmbeddingCache, console: Console
) -> EmbeddedDataset:
    """Embed whatever the caches have not.

    Args:
        asking: of the same encoder, for the questions: on the engine that a service would ask with.

    Raises:
        BundleError: the encoder cannot be opened.
        VerificationError: it yields values that are not finite.
    """
    passages = cache.embed([passage.embedded_text for passage in dataset.passages], Side.PASSAGE, "passages", console)
    questions = asking.embed([question.text for question in dataset.questions], Side.QUERY, "questions", console)
    row_of = {passage.docid: row for row, passage in enumerate(dataset.passages)}
    texts = {}
    for kind, augmentations in dataset.augmentations.items():
        vectors = cache.embed([each.text for each in augmentations], _SIDES[kind], kind, console)
        rows = np.array([row_of[each.docid] for each in augmentations], np.int64)
        texts[kind] = EmbeddedTexts(
            augmentations,
            vectors,
            rows,
            np.array([each.lang for each in augmentations], np.str_),
            _ordinals(augmentations),
            left_out(dataset, kind, "leave-out"),  # what is to be refused was
        )
    return EmbeddedDataset(name, dataset, cache.bundle.encoder, passages, questions, texts)


def _ordinals(augmentations: Sequence[Augmentation]) -> NDArray[np.int64]:
    seen: dict[tuple[str, str], int] = {}
    ordinals = np.empty(len(augmentations), np.int64)
    for row, each in enumerate(augmentations):
        key = each.docid, each.lang
        ordinals[row] = seen.get(key, 0)
        seen[key] = seen.get(key, 0) + 1
    return ordinals
