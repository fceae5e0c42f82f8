"""Questions gained and lost, in the order in which they are read."""

from dataclasses import dataclass
from typing import Literal

from offline.evaluate.report.model import AskedQuestion, ChangedQuestion, Report, Study


@dataclass(frozen=True, slots=True)
class Group:
    """Questions of one language whose relevant passage came into the first hits, or left them."""

    change: Literal["gained", "lost"]
    lang: str
    questions: list[tuple[AskedQuestion, ChangedQuestion]]


def groups(report: Report, study: Study) -> list[Group]:
    """The study's changed questions: gained before lost, languages sorted, nothing left out."""
    asked = {question.id: question for question in report.questions}
    found: dict[tuple[Literal["gained", "lost"], str], list[tuple[AskedQuestion, ChangedQuestion]]] = {}
    for changed in study.changed:
        question = asked[changed.question]
        found.setdefault((changed.change, question.lang), []).append((question, changed))
    return [Group(change, lang, found[change, lang]) for change, lang in sorted(found)]


def ranks(changed: ChangedQuestion) -> str:
    """``rank 14 → rank 3``."""
    return " → ".join(
        "not among the hits" if rank is None else f"rank {rank}" for rank in (changed.rank_a, changed.rank_b)
    )
