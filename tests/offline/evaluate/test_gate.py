"""The gate, on scores made by hand: the p of n losses and no win is 2 / 2**n."""

import functools
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from app.errors import ConfigurationError, GateFailed
from offline.evaluate.checks import CheckRequest, Checks
from offline.evaluate.dataset import Dataset
from offline.evaluate.gate import Baseline, hold_to
from offline.evaluate.report.model import AskedQuestion, Report, System
from offline.evaluate.service_client import ServiceAddress
from tests.offline.evaluate.judged import METRIC, PASSAGES, questions_of, report_of, study_of, system_of


def written(report: Report, folder: Path) -> Baseline:
    path = folder / "report.json"
    path.write_text(report.model_dump_json())
    return Baseline.open(path)


def told(
    baseline: Baseline,
    questions: Sequence[AskedQuestion],
    system: System,
    max_drop: float = 0.01,
    passages: int = PASSAGES,
) -> str:
    """What a gate prints that is passed."""
    console = Console(file=io.StringIO(), width=200)
    hold_to(baseline, questions, system, passages, max_drop, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def held(folder: Path, before: Mapping[str, Sequence[float]], now: Mapping[str, Sequence[float]], drop: float) -> str:
    return told(written(report_of(before), folder), questions_of(now), system_of(now), drop)


def row_of(table: str, lang: str) -> list[str]:
    """The cells of a language's row: two spaces at least are between them, and never more than one within."""
    (line,) = [line for line in table.splitlines() if line.lstrip().startswith(f"{lang} ")]
    cells = re.split(r"\s{2,}", line.strip())
    assert len(cells) == 8, line
    return cells


def lost(count: int, of: int) -> list[float]:
    return [0.0] * count + [1.0] * (of - count)


def test_the_same_scores_pass_and_are_told_with_the_number_of_questions(tmp_path: Path) -> None:
    scores = {"ar": lost(10, 100), "fi": lost(0, 50)}
    table = held(tmp_path, scores, scores, 0)
    assert row_of(table, "ar")[1:5] == ["100", "90.0", "90.0", "0.0"]
    assert row_of(table, "fi")[1] == "50"
    assert "warning" not in table


def test_a_language_that_falls_significantly_is_refused_and_no_other_is_named(tmp_path: Path) -> None:
    before, now = {"ar": lost(10, 100), "fi": lost(0, 50)}, {"ar": lost(30, 100), "fi": lost(0, 50)}
    with pytest.raises(GateFailed) as refused:
        held(tmp_path, before, now, 0.15)
    # 20 losses; the average falls by 10 points, which is within what may be lost
    assert refused.value.message == (
        f"worse than {tmp_path / 'report.json'} by more than 15 points: "
        "ar R@10 90.0 -> 70.0 % (p 0.0002, 100 questions)"
    )
    assert refused.value.exit_code == 8


def test_a_significant_fall_within_what_may_be_lost_passes(tmp_path: Path) -> None:
    before, now = {"ar": lost(0, 1000)}, {"ar": lost(10, 1000)}
    table = held(tmp_path, before, now, 0.02)
    assert row_of(table, "ar")[4:] == ["−1.0", *row_of(table, "ar")[5:7], "worse, by no more than may be lost"]
    assert float(row_of(table, "ar")[6]) == pytest.approx(2 / 2**10, abs=1e-4)
    with pytest.raises(GateFailed, match=r"ar R@10 100.0 -> 99.0 %"):
        held(tmp_path, before, now, 0.009)


def test_a_fall_by_exactly_what_may_be_lost_passes(tmp_path: Path) -> None:
    held(tmp_path, {"ar": lost(410, 1000)}, {"ar": lost(420, 1000)}, 0.01)


def test_a_fall_that_is_not_shown_passes_with_a_warning(tmp_path: Path) -> None:
    table = held(tmp_path, {"ar": lost(0, 40)}, {"ar": lost(3, 40)}, 0.01)
    assert row_of(table, "ar")[-1] == "lower, not shown"
    assert "warning: ar R@10 100.0 -> 92.5 % (p 0.2500, 40 questions) is more than may be lost" in table


def test_languages_are_corrected_for_one_another(tmp_path: Path) -> None:
    """Six losses: p is 0.031, but 0.22 as the least of seven."""
    langs = ["bn", "fi", "ja", "ko", "ru", "te"]
    others = {lang: lost(0, 100) for lang in langs}
    table = held(tmp_path, {"ar": lost(0, 100)} | others, {"ar": lost(6, 100)} | others, 0.01)
    assert "warning: ar R@10 100.0 -> 94.0 % (p 0.2188, 100 questions)" in table
    with pytest.raises(GateFailed, match=r"ar R@10 100.0 -> 94.0 % \(p 0.0312"):
        held(tmp_path, {"ar": lost(0, 100)}, {"ar": lost(6, 100)}, 0.01)


def test_a_little_lost_in_every_language_shows_in_their_average(tmp_path: Path) -> None:
    langs = ["ar", "bn", "fi", "ja"]
    with pytest.raises(GateFailed) as refused:
        held(tmp_path, {lang: lost(0, 50) for lang in langs}, {lang: lost(4, 50) for lang in langs}, 0.01)
    assert "macro R@10 100.0 -> 92.0 %" in refused.value.message
    assert "ar R@10" not in refused.value.message


def test_a_language_of_so_few_questions_that_it_could_never_fail_is_named(tmp_path: Path) -> None:
    few = {"ar": lost(0, 100), "fi": lost(0, 6), "te": lost(0, 7)}
    table = held(tmp_path, few, few, 0.01)
    # the least p of six questions is 0.031 and of seven 0.016; times three, 0.094 and 0.047
    assert "warning: fi has 6 questions, too few" in table
    assert "te has 7" not in table


def test_questions_are_paired_by_id_in_whatever_order(tmp_path: Path) -> None:
    before = {"ar": lost(30, 100)}
    baseline = written(report_of(before), tmp_path)
    questions, system = questions_of(before), system_of(before)
    turned = system.model_copy(update={"scores": {METRIC: system.scores[METRIC][::-1]}})
    assert row_of(told(baseline, questions[::-1], turned), "ar")[4] == "0.0"
    with pytest.raises(GateFailed):  # the same mean of other questions would not be seen unpaired
        told(baseline, questions[40:], system_of({"ar": lost(45, 60)}))


def test_questions_that_only_one_of_both_asked_are_counted(tmp_path: Path) -> None:
    baseline = written(report_of({"ar": lost(0, 100)}), tmp_path)
    asked = questions_of({"ar": lost(0, 120)})
    table = told(baseline, asked[40:], system_of({"ar": lost(0, 80)}))
    assert "40 of its questions are not asked here" in table
    assert "20 questions here are not in it" in table
    assert row_of(table, "ar")[1] == "60"


@pytest.mark.parametrize(
    ("kept", "complaint"),
    [
        ({"ar": lost(0, 49), "fi": lost(0, 50)}, "of the 100 ar questions of .*, 49 are the same here"),
        ({"ar": lost(0, 100)}, "of the 50 fi questions of .*, 0 are the same here"),
    ],
)
def test_too_few_questions_in_common_are_refused(tmp_path: Path, kept: dict[str, list[float]], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        held(tmp_path, {"ar": lost(0, 100), "fi": lost(0, 50)}, kept, 0.01)


@pytest.mark.parametrize("change", [{"text": "another wording"}, {"relevant": {"p0": 1, "p9": 1}}, {"lang": "fi"}])
def test_a_question_that_was_changed_under_its_id_is_not_compared(tmp_path: Path, change: dict[str, object]) -> None:
    scores = {"ar": lost(0, 20)}
    first, *others = questions_of(scores)
    asked = [first.model_copy(update=change), *others]
    table = told(written(report_of(scores), tmp_path), asked, system_of({"ar": lost(1, 20)}))
    assert "1 questions are worded or judged otherwise" in table
    assert row_of(table, "ar")[1:5] == ["19", "100.0", "100.0", "0.0"]


def test_another_number_of_passages_is_told(tmp_path: Path) -> None:
    scores = {"ar": lost(0, 20)}
    table = told(written(report_of(scores), tmp_path), questions_of(scores), system_of(scores), passages=PASSAGES // 2)
    assert "it searched 1,000 passages, this one 500" in table


def test_every_metric_of_the_baseline_is_looked_at(tmp_path: Path) -> None:
    scores = {"ar": lost(0, 100)}
    report = report_of(scores)
    systems = [
        each.model_copy(update={"scores": each.scores | {"R@1": each.scores[METRIC]}}) for each in report.systems
    ]
    baseline = written(report.model_copy(update={"systems": systems, "metrics": [METRIC, "R@1"]}), tmp_path)
    worse = system_of(scores).model_copy(update={"scores": {METRIC: lost(0, 100), "R@1": lost(20, 100)}})
    with pytest.raises(GateFailed, match=r"points: ar R@1 100.0 -> 80.0 % .*macro R@1"):
        told(baseline, questions_of(scores), worse)
    with pytest.raises(ConfigurationError, match=r"is judged by R@1, and this evaluation is not; give --metric R@1"):
        told(baseline, questions_of(scores), system_of(scores))


def test_of_several_encoders_the_last_one_counts(tmp_path: Path) -> None:
    scores, other = {"ar": lost(0, 100)}, system_of({"ar": lost(50, 100)}, "other + xQG")
    report = report_of(scores)
    both = report.model_copy(
        update={"systems": [*report.systems, other], "studies": [*report.studies, study_of("other")]}
    )
    assert row_of(told(written(both, tmp_path), questions_of(scores), system_of(scores)), "ar")[2] == "50.0"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 2}, r"is no report of this version \(format: .*or evaluate again"),
        ({"studies": []}, "compares nothing, so nothing can be held to it"),
        ({"metrics": []}, "compares nothing, so nothing can be held to it"),
        ({"metrics": ["MRR@10"]}, r"lacks scores by MRR@10; evaluate the baseline again"),
        ({"systems": []}, "compares nothing, so nothing can be held to it"),
        ({"surprise": 1}, r"is no report of this version \(surprise"),
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(json.loads(report_of({"ar": lost(0, 10)}).model_dump_json()) | change))
    with pytest.raises(ConfigurationError, match=complaint):
        Baseline.open(path)


def test_what_is_held_to_what_is_told_of_both(tmp_path: Path) -> None:
    scores = {"ar": lost(0, 10)}
    now = system_of(scores, "other + xQG").model_copy(update={"description": "alpha 0.1"})
    told_of_both = told(written(report_of(scores), tmp_path), questions_of(scores), now)
    assert told_of_both.startswith(
        f"held to {tmp_path / 'report.json'}: tiny + xQG (alpha 0.05)\n  now: other + xQG (alpha 0.1)\n"
    )


def test_a_baseline_by_other_metrics_is_refused_with_the_options_that_are_missing(tmp_path: Path) -> None:
    report = report_of({"ar": lost(0, 10)})
    systems = [
        each.model_copy(update={"scores": dict.fromkeys([METRIC, "nDCG@5", "R@3"], each.scores[METRIC])})
        for each in report.systems
    ]
    baseline = written(report.model_copy(update={"systems": systems, "metrics": [METRIC, "nDCG@5", "R@3"]}), tmp_path)
    opened = functools.partial(
        Checks.open,
        CheckRequest(baseline.path),
        tmp_path / "output",
        report.depth,
        Dataset("beir", {}, [], [], {}),
        {},
        0.05,
    )
    with pytest.raises(ConfigurationError, match=r"by nDCG@5, R@3, .*; give --metric nDCG@5 --metric R@3, and"):
        opened([METRIC])
    assert opened(["R@3", "nDCG@5", METRIC]).baseline == baseline


@pytest.mark.parametrize("service", [None, ServiceAddress("http://localhost"), ServiceAddress("http://x", "secret")])
def test_no_key_of_a_command_line_is_shown_whether_or_not_a_service_is_asked(service: ServiceAddress | None) -> None:
    command = ["evaluate", "--api-key", "secret", "--seed", "1", "--api-key=secret", "--depth", "9"]
    shown = CheckRequest(service=service).without_key(command)
    assert shown == ["evaluate", "--api-key", "***", "--seed", "1", "--api-key=***", "--depth", "9"]


def test_a_baseline_may_be_named_by_its_folder(tmp_path: Path) -> None:
    written(report_of({"ar": lost(0, 10)}), tmp_path)
    assert Baseline.open(tmp_path).path == tmp_path / "report.json"


def test_questions_about_too_few_passages_could_never_fail_and_are_named(tmp_path: Path) -> None:
    scores = {"ar": lost(0, 100)}
    few = [
        question.model_copy(update={"relevant": {f"p{row % 5}": 1}})
        for row, question in enumerate(questions_of(scores))
    ]
    baseline = written(report_of(scores, questions=few), tmp_path)
    # all is lost, and yet the signs of five passages are alike twice in 32
    table = told(baseline, few, system_of({"ar": lost(100, 100)}))
    assert "ar R@10 100.0 -> 0.0 % (p 0.0625, 100 questions) is more than may be lost" in table
    assert "warning: ar has 100 questions about 5 passages, too few" in table
