"""A report's files: read back as written, and every table as its numbers are."""

import json
import math
import re
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.drilldown import groups, ranks
from offline.evaluate.report.folder import read_report, write_report
from offline.evaluate.report.markdown import escaped, markdown, table_lines
from offline.evaluate.report.model import MACRO, ComparedLanguage, Comparison, Report, Table
from offline.evaluate.report.tables import comparison_table, numeric_columns, score_tables, summary_table
from offline.evaluate.report.wording import (
    finding,
    in_a_row,
    language_label,
    main_comparisons,
    p_value,
    percent,
    points,
)
from tests.offline.evaluate.made_report import AFTER, BEFORE, made_comparison, made_report

DRAWING = Drawing('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="7pt"></svg>', b"\x89PNG")


def drawings_for(report: Report) -> dict[str, Drawing]:
    return {plot.file: DRAWING for study in report.studies for plot in study.plots}


def number(cell: str) -> float:
    """The number that a cell begins with."""
    return float(cell.replace("−", "-").replace(",", "").split(" ")[0])


# -- files


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    report = made_report()
    write_report(report, tmp_path / "new" / "folder", drawings_for(report))
    for path in (tmp_path / "new" / "folder", tmp_path / "new" / "folder" / "report.json"):
        assert repr(read_report(path)) == repr(report)  # repr, since NaN equals nothing


def test_what_is_no_number_is_null_in_json_and_comes_back(tmp_path: Path) -> None:
    report = made_report()
    write_report(report, tmp_path, drawings_for(report))
    plain = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert plain["systems"][0]["means"]["MRR"]["fi"] is None
    assert plain["systems"][0]["scores"]["R@1"][3] is None
    (before, _) = read_report(tmp_path).systems
    assert math.isnan(before.means["MRR"]["fi"])
    assert before.scores["R@1"][3] is None


def test_the_folder_holds_the_report_in_every_form_and_each_plot_twice(tmp_path: Path) -> None:
    report = made_report()
    write_report(report, tmp_path, drawings_for(report))
    stems = {Path(file).stem for file in drawings_for(report)}
    expected = {f"{stem}.{kind}" for stem in stems for kind in ("svg", "png")}
    assert {path.name for path in tmp_path.iterdir()} == expected | {"report.json", "report.md", "report.html"}
    assert (tmp_path / "alpha.svg").read_text() == DRAWING.svg
    assert (tmp_path / "alpha.png").read_bytes() == DRAWING.png


def test_a_plot_without_its_drawing_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    report = made_report()
    drawings = drawings_for(report)
    del drawings["alpha.svg"]
    with pytest.raises(ValueError, match=r"alpha\.svg"):
        write_report(report, tmp_path / "out", drawings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        ("", "Invalid JSON"),
        ("{}", "created_at: Field required"),
        (made_report().model_dump_json().replace('"format":1', '"format":2'), "format: Input should be 1"),
    ],
)
def test_a_file_that_is_no_report_is_refused_with_its_name_and_what_to_do(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    file = tmp_path / "report.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=problem) as refused:
        read_report(file)
    assert str(file) in refused.value.message
    assert "report.json that `evaluate` wrote" in refused.value.message
    assert "\n" not in refused.value.message


# -- wording


@pytest.mark.parametrize(("value", "text"), [(0.50314, "50.3"), (1, "100.0"), (0, "0.0"), (None, "–"), (math.nan, "–")])
def test_scores_are_in_percent(value: float | None, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0402, "+4.0"), (-0.0311, "−3.1"), (0.0, "0.0"), (-0.0001, "0.0"), (0.0001, "0.0"), (math.nan, "–")],
)
def test_differences_are_signed_unless_they_are_nothing(value: float, text: str) -> None:
    assert points(value) == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.04996, "0.0500"), (0.0001, "0.0001"), (0.00009, "<0.0001"), (1, "1.0000"), (None, "–")]
)
def test_a_p_too_small_to_say_is_not_said_to_be_zero(p: float | None, text: str) -> None:
    assert p_value(p) == text


def test_words_stand_in_a_row() -> None:
    assert [in_a_row(list(words)) for words in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]


def test_a_finding_names_every_language_under_its_verdict() -> None:
    assert finding(made_comparison()) == (
        "R@1, macro average: 50.1 with multilingual-e5-small, 55.8 with multilingual-e5-small + xQG: "
        "+5.7 points [+3.4, +8.0], better. Better in Arabic, Bengali and Telugu. Worse in Korean. "
        "No difference shown in Finnish, Japanese and Russian."
    )


def undecided() -> Comparison:
    rows = {
        code: row.model_copy(update={"verdict": "no difference shown"}) for code, row in made_comparison().rows.items()
    }
    return made_comparison().model_copy(update={"rows": rows})


def test_what_the_tests_do_not_show_is_never_called_better_or_worse() -> None:
    words = finding(undecided()) + str(comparison_table(undecided()))
    assert "no difference shown" in words
    assert not re.search(r"\b(better|worse|best|improve|gain)", words, re.IGNORECASE)


def test_the_report_opens_with_the_most_telling_metric_of_the_first_comparison() -> None:
    report = made_report()
    assert main_comparisons(report) == [made_comparison("R@1")]
    mrr_first = report.model_copy(update={"metrics": ["nDCG", "MRR", "R@1"]})
    assert main_comparisons(mrr_first) == [made_comparison("MRR")]
    unknown = report.model_copy(update={"metrics": []})
    assert main_comparisons(unknown) == [made_comparison("R@1")]
    assert main_comparisons(report.model_copy(update={"studies": report.studies[1:]})) == []


# -- tables


def test_every_cell_of_a_comparison_is_a_number_of_the_report() -> None:
    comparison = made_comparison()
    table = comparison_table(comparison)
    assert [row[0] for row in table.rows] == [language_label(code) for code in comparison.rows]
    for cells, row in zip(table.rows, comparison.rows.values(), strict=True):
        cell = dict(zip(table.columns, cells, strict=True))
        assert number(cell["questions"]) == row.questions
        assert number(cell[BEFORE]) == round(100 * row.mean_a, 1)
        assert number(cell[AFTER]) == round(100 * row.mean_b, 1)
        difference, low, high = re.findall(r"[+−]?\d+\.\d", cell["difference [95% CI]"])
        assert [number(text) for text in (difference, low, high)] == pytest.approx(
            [100 * row.difference, 100 * row.ci_low, 100 * row.ci_high], abs=0.0501
        )
        for column, p in (("t", row.p_t), ("permutation", row.p_permutation), ("Holm", row.p_holm)):
            text = cell[f"p ({column})"]
            assert text == "–" if p is None else p < 0.0001 if text == "<0.0001" else number(text) == round(p, 4)
        assert cell["wins/ties/losses"] == f"{row.wins}/{row.ties}/{row.losses}"
        assert cell["verdict"] == row.verdict


def test_the_average_is_the_last_row_wherever_it_stood() -> None:
    rows = made_comparison().rows
    first = made_comparison().model_copy(update={"rows": {MACRO: rows[MACRO]} | rows})
    for table in (summary_table(first), comparison_table(first)):
        assert [row[0] for row in table.rows][-2:] == ["Telugu (te)", "macro average"]


def test_a_language_without_a_name_of_ours_keeps_its_code() -> None:
    row = made_comparison().rows["ar"]
    assert isinstance(row, ComparedLanguage)
    table = summary_table(made_comparison().model_copy(update={"rows": {"vi": row}}))
    assert table.rows[0][0] == "vi"


def test_scores_are_laid_out_by_metric_system_and_language_with_holes_where_nothing_was_measured() -> None:
    recall, reciprocal = score_tables(made_report())
    assert recall.columns == [
        "system",
        *map(language_label, ("ar", "bn", "fi", "ja", "ko", "ru", "te")),
        "macro average",
    ]
    assert recall.rows[1] == [AFTER, "60.8", "53.7", "65.6", "59.0", "43.1", "56.4", "52.3", "55.8"]
    assert reciprocal.columns == ["system", "Finnish (fi)", "macro average"]
    assert reciprocal.rows[0] == [BEFORE, "–", "61.9"]


def test_columns_of_numbers_are_told_from_columns_of_words() -> None:
    rows = [["ar", "1,440", "+4.0 [−3.1, +4.9]", "–", "19/123/6", "<0.0001", "4-bit", ""]]
    rows += [["12", "50.3", "0.0 [–, –]", "–", "1/2/3", "1.0000", "8", ""]]
    table = Table(title="", columns=["?"] * 8, rows=rows)
    assert numeric_columns(table) == [False, True, True, True, True, True, False, False]


# -- drill-down


def test_questions_gained_come_before_those_lost_and_none_is_missing() -> None:
    report = made_report()
    found = groups(report, report.studies[0])
    assert [(group.change, group.lang) for group in found] == [
        *(("gained", code) for code in ("ar", "bn", "fi", "ja", "ru", "te")),
        ("lost", "ko"),
    ]
    assert [changed for group in found for _, changed in group.questions] == sorted(
        report.studies[0].changed, key=lambda changed: changed.change
    )
    assert all(question.lang == group.lang for group in found for question, _ in group.questions)


def test_ranks_are_said_and_so_is_their_absence() -> None:
    changed = {one.question: one for one in made_report().studies[0].changed}
    assert ranks(changed["q-ar"]) == "rank 14 → rank 3"
    assert ranks(changed["q-te"]) == "not among the hits → rank 3"


# -- Markdown


def cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line)[1:-1]


def test_every_row_of_a_markdown_table_has_a_cell_for_every_column() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", markdown(made_report()), re.MULTILINE)
    assert len(tables) > 15
    for table in tables:
        header, rule, *rows = table.splitlines()
        assert rows
        assert set(rule) <= set("| -:")
        assert {len(cells(line)) for line in (rule, *rows)} == {len(cells(header))}, table


def test_what_a_cell_holds_cannot_break_its_table_or_be_read_as_markup() -> None:
    hostile = "a|b\nc <script>alert(1)</script> *x* `y` [z](http://here) &lt; \\"
    table = Table(title="t", columns=["one", "two"], rows=[[hostile, "2"]])
    (row,) = [line for line in table_lines(table) if "script" in line]
    assert len(cells(row)) == 2
    assert re.sub(r"\\(?=[^\w\s])", "", cells(row)[0]).strip() == hostile.replace("\n", " ")
    for mark in "<>*`|&":
        assert not re.search(rf"(?<!\\){re.escape(mark)}", cells(row)[0])
    assert "[z\\](" in row


def test_numbers_and_dots_need_no_escape() -> None:
    assert escaped("+4.0 [−3.1, +4.9]") == "+4.0 [−3.1, +4.9]"


def test_the_markdown_says_what_came_out_with_what_and_for_which_command() -> None:
    text = markdown(made_report())
    assert "$ python -m offline evaluate compare --dataset 'vital:my data' --alpha 0.05" in text
    assert escaped(finding(made_comparison())) in text
    for study in made_report().studies:
        assert f"## {study.title}" in text
        for plot in study.plots:
            assert f"![{escaped(plot.alt)}](<{plot.file}>)" in text
    for question in made_report().questions:
        assert question.text in text
    for digest in made_report().dataset.files.values():
        assert digest in text
