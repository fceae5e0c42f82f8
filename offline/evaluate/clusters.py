"""Questions about one passage, kept together: whether it is found rests on one vector for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offline.evaluate.dataset import Question
from offline.evaluate.report.model import AskedQuestion

Floats = NDArray[np.float64]


def unit_of(question: Question | AskedQuestion) -> str:
    """What the question is drawn with: its first relevant passage, or itself where none is known."""
    return next(iter(question.relevant), question.id)


@dataclass(frozen=True)
class Clusters:
    """Differences summed by language and unit."""

    sums: Floats
    """Float64 [languages, units]; 0 where the language has no question of the unit."""
    counts: Floats
    """Questions, float64 [languages, units]; each language and each unit has at least one."""

    @classmethod
    def of(cls, differences: Sequence[Floats], units: Sequence[Sequence[str]]) -> "Clusters":
        """Sum them; units are sorted, so that neither languages beside nor the order of questions changes a draw.

        Args:
            differences: per language, float64 [questions].
            units: per language that of each question.
        """
        columns = {unit: column for column, unit in enumerate(sorted({unit for each in units for unit in each}))}
        placed = [np.array([columns[unit] for unit in each]) for each in units]
        sums = [np.bincount(at, found, len(columns)) for at, found in zip(placed, differences, strict=True)]
        counts = [np.bincount(at, minlength=len(columns)) for at in placed]
        # 0.1 + 0.2 - 0.3 is nothing, though not to the last bit
        return cls(np.round(sums, 12), np.array(counts, np.float64))

    @cached_property
    def sizes(self) -> Floats:
        """Questions, float64 [languages]."""
        return np.asarray(self.counts.sum(axis=1), np.float64)

    @property
    def contributions(self) -> Floats:
        """What each unit adds to the mean of the languages' means, float64 [units]."""
        return np.asarray(np.round((self.sums.T / self.sizes).mean(axis=1), 15), np.float64)

    @property
    def residuals(self) -> Floats:
        """The sums without what each language's mean explains, float64 [languages, units]."""
        means = self.sums.sum(axis=1) / self.sizes
        return np.asarray(np.round(self.sums - self.counts * means[:, np.newaxis], 12), np.float64)
