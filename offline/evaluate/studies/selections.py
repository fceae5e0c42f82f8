"""Which texts to fuse: so many a language, these languages."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from offline.evaluate.embedded import EmbeddedTexts


def at_most(texts: EmbeddedTexts, count: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """A mask of at most ``count`` texts of each passage and language, drawn at random."""
    keys = random.random(len(texts.texts))
    order = np.lexsort((keys, texts.langs, texts.rows))
    group = np.stack([texts.rows[order], np.unique(texts.langs, return_inverse=True)[1][order]], axis=1)
    starts = np.ones(len(order), np.bool_)
    starts[1:] = (group[1:] != group[:-1]).any(axis=1)
    first = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    mask = np.zeros(len(order), np.bool_)
    mask[order] = np.arange(len(order)) - first < count
    return mask


def of_languages(texts: EmbeddedTexts, languages: Sequence[str]) -> NDArray[np.bool_]:
    """A mask of the texts in these languages."""
    return np.isin(texts.langs, list(languages))


def subsets(languages: Sequence[str], size: int, most: int, random: np.random.Generator) -> Iterator[tuple[str, ...]]:
    """Every choice of ``size`` languages, or ``most`` of them drawn at random."""
    every = list(itertools.combinations(languages, size))
    if len(every) > most:
        every = [every[each] for each in sorted(random.choice(len(every), most, replace=False).tolist())]
    yield from every
