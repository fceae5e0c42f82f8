"""Reports and questions made by hand, for what holds one evaluation to another."""

from collections.abc import Mapping, Sequence
from typing import Any

from offline.evaluate.report.model import AskedQuestion, Comparison, DatasetFacts, Report, Study, System

METRIC = "R@10"
PASSAGES = 1_000


def questions_of(scores: Mapping[str, Sequence[float]]) -> list[AskedQuestion]:
    """As many questions of each language as it has scores, each about a passage of its own."""
    return [
        AskedQuestion(
            id=f"{lang}-{number}",
            lang=lang,
            text=f"{lang} question {number}",
            relevant={f"p-{lang}-{number}": 1},
            answers=[],
        )
        for lang, own in scores.items()
        for number in range(len(own))
    ]


def system_of(scores: Mapping[str, Sequence[float]], name: str = "tiny + xQG", metric: str = METRIC) -> System:
    """With the scores of every language in one row, as the questions are."""
    flat = [score for own in scores.values() for score in own]
    return System(name=name, encoder="f", description="alpha 0.05", alpha=0.05, scores={metric: flat}, means={})


def report_of(scores: Mapping[str, Sequence[float]], **changes: Any) -> Report:
    """A report of one encoder whose system with xQG has these scores."""
    fused = system_of(scores)
    plain = system_of({lang: [0.0] * len(own) for lang, own in scores.items()}, "tiny")
    fields: dict[str, Any] = {
        "created_at": "2026-01-01T00:00:00+00:00",
        "command": ["python", "-m", "offline", "evaluate"],
        "versions": {},
        "seed": 0,
        "dataset": DatasetFacts(
            name="beir",
            files={},
            passages=PASSAGES,
            questions={lang: len(own) for lang, own in scores.items()},
            augmentations={},
            notes={},
        ),
        "encoders": {"tiny": "f"},
        "metrics": [METRIC],
        "questions": questions_of(scores),
        "systems": [plain, fused],
        "studies": [study_of("tiny")],
    }
    return Report(**(fields | changes))


def study_of(encoder: str, metric: str = METRIC) -> Study:
    comparison = Comparison(a=encoder, b=f"{encoder} + xQG", metric=metric, rows={})
    return Study(name="compare", title=encoder, summary="", comparisons=[comparison])
