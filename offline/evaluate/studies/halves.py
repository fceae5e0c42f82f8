"""A setting chosen on one half of the questions and measured on the other, both ways.

The best of a grid, measured on the questions that chose it, flatters itself.
"""

from collections.abc import Sequence

import numpy as np

from offline.evaluate.dataset import Question
from offline.evaluate.metrics.averages import means
from offline.evaluate.report.model import MACRO, System


def halves(questions: Sequence[Question], seed: int) -> list[int]:
    """0 or 1 for each question; translations of one question are in the same half."""
    sources = sorted({question.source or question.id for question in questions})
    order = np.random.default_rng(seed).permutation(len(sources))
    half_of = {sources[each]: position % 2 for position, each in enumerate(order.tolist())}
    return [half_of[question.source or question.id] for question in questions]


def chosen_on_the_other_half(
    grid: Sequence[System], metric: str, langs: Sequence[str], half: Sequence[int], name: str
) -> tuple[System, list[System]]:
    """A system that answers each half with the best of the grid on the other half, by the macro mean of ``metric``.

    Returns:
        The system, and the two that were chosen: on the second half (for the first), on the first.
    """
    chosen = []
    for mine in (0, 1):
        others = [row for row, each in enumerate(half) if each != mine]
        at = max(
            range(len(grid)),
            key=lambda each: means(
                [grid[each].scores[metric][row] for row in others], [langs[row] for row in others]
            ).get(MACRO, 0.0),
        )
        chosen.append(grid[at])
    scores = {each: [chosen[half[row]].scores[each][row] for row in range(len(half))] for each in grid[0].scores}
    system = System(
        name=name,
        encoder=grid[0].encoder,
        description=f"each half with what was best on the other: {chosen[0].description}; {chosen[1].description}",
        alpha=chosen[0].alpha,
        scores=scores,
        means={each: means(given, langs) for each, given in scores.items()},
    )
    return system, chosen
