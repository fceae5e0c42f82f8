"""Which texts to fuse: so many a language, these languages."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from offline.evaluate.embedded import EmbeddedTexts


def places(texts: EmbeddedTexts, random: np.random.Generator) -> NDArray[np.int64]:
    """A random order of the texts of each passage and language: 0, 1, 2, … in each, int64 [texts]."""
    order = np.lexsort((random.random(len(texts.texts)), texts.langs, texts.rows))
    group = np.stack([texts.rows[order], np.unique(texts.langs, return_inverse=True)[1][order]], axis=1)
    starts = np.ones(len(order), np.bool_)
    starts[1:] = (group[1:] != group[:-1]).any(axis=1)
    first = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(len(order)) - first
    return found


def of_languages(texts: EmbeddedTexts, languages: Sequence[str]) -> NDArray[np.bool_]:
    """A mask of the texts in these languages."""
    return np.isin(texts.langs, list(languages))


def subsets(languages: Sequence[str], size: int, most: int, random: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """Every choice of ``size`` languages, or ``most`` of them drawn at random."""
    every = list(itertools.combinations(languages, size))
    if len(every) > most:
        every = [every[each] for each in sorted(random.choice(len(every), most, replace=False).tolist())]
    yield from every
