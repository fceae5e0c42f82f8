"""The HTML page: whole in one file, the report's numbers and nobody's markup."""

import re
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.model import Report
from offline.evaluate.report.page import page
from offline.evaluate.report.tables import (
    comparison_table,
    dataset_table,
    provenance_tables,
    score_tables,
    summary_table,
    systems_table,
)
from offline.evaluate.report.wording import finding, main_comparisons
from tests.offline.evaluate.made_report import made_comparison, made_report

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert("1")</script> & </td> {{ report }} <img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def html(drawings: dict[str, Drawing]) -> str:
    return page(made_report(), drawings)


@pytest.fixture(scope="module")
def root(html: str) -> Element:
    return parsed(html)


def parsed(html: str) -> Element:
    assert html.startswith("<!DOCTYPE html>\n")
    return ElementTree.fromstring(html)  # noqa: S314, our own


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def test_the_page_is_well_formed_and_loads_nothing(html: str, root: Element) -> None:
    assert not [element for element in root.iter() if element.tag in ("script", "link", "img", "iframe", "object")]
    for element in root.iter():
        for name, value in element.attrib.items():
            if name.rpartition("}")[2] in ("href", "src", "srcset", "action", "data", "style"):
                assert value.startswith("#") or "://" not in value, (element.tag, name, value)
            assert not name.startswith("on")
    assert not re.search(r"@import|url\((?!#)", html)


def test_no_id_is_given_twice_and_every_reference_has_its_target(html: str, root: Element) -> None:
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    references = re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', html)
    assert len(references) > 100
    assert set(references) <= set(ids)


def test_the_headings_go_down_one_level_at_a_time(root: Element) -> None:
    levels = [int(element.tag[1]) for element in root.iter() if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [element.tag for element in root.find("body") or []] == ["header", "nav", "main"]


def test_every_table_has_a_caption_and_headers_for_columns_and_rows(root: Element) -> None:
    tables = list(root.iter("table"))
    assert tables
    for table in tables:
        assert words(table[0])
        assert table[0].tag == "caption"
        columns = table.findall("thead/tr/th")
        assert {th.get("scope") for th in columns} == {"col"}
        for row in table.findall("tbody/tr"):
            assert [cell.tag for cell in row] == ["th", *["td"] * (len(columns) - 1)]
            assert row[0].get("scope") == "row"


def test_the_tables_show_every_cell_of_the_report(root: Element) -> None:
    report = made_report()
    shown = {words(table[0]): table for table in root.iter("table")}
    expected = [
        summary_table(made_comparison()),
        *(comparison_table(comparison) for comparison in report.studies[0].comparisons),
        *report.studies[1].tables,
        systems_table(report),
        *score_tables(report),
        dataset_table(report.dataset),
        *provenance_tables(report),
    ]
    assert len(expected) == len(list(root.iter("table")))
    for table in expected:
        found = shown[table.title]
        assert [words(th) for th in found.findall("thead/tr/th")] == table.columns
        assert [[words(cell) for cell in row] for row in found.findall("tbody/tr")] == table.rows


def test_numbers_stand_to_the_right_and_words_do_not(root: Element) -> None:
    (table,) = [table for table in root.iter("table") if words(table[0]) == "R@1 by language"]
    for row in table.findall("tbody/tr"):
        assert [cell.get("class") for cell in row] == [None, "number", "number", "number", "number", None]
    assert table.findall("tbody/tr")[-1].get("class") == "macro"


def test_the_page_opens_with_what_was_found(root: Element) -> None:
    section = next(root.iter("section"))
    assert words(section).startswith(f"What came out {finding(made_comparison())}")


def test_where_the_tests_show_no_difference_the_page_calls_nothing_better(drawings: dict[str, Drawing]) -> None:
    report = made_report()
    study = report.studies[0].model_copy(update={"changed": [], "plots": []})
    comparisons = [
        comparison.model_copy(
            update={
                "rows": {
                    code: row.model_copy(update={"verdict": "no difference shown"})
                    for code, row in comparison.rows.items()
                }
            }
        )
        for comparison in study.comparisons
    ]
    undecided = report.model_copy(update={"studies": [study.model_copy(update={"comparisons": comparisons})]})
    body = parsed(page(undecided, drawings)).find("body")
    assert body is not None
    assert "No difference shown in Arabic" in words(body)
    assert not re.search(r"\b(better|worse|best|improve|gain)", words(body), re.IGNORECASE)


def test_questions_and_fused_texts_carry_their_language_and_find_their_own_direction(root: Element) -> None:
    report = made_report()
    questions = {words(p): p for p in root.iter("p") if p.get("class") == "question"}
    assert set(questions) == {question.text for question in report.questions}
    for question in report.questions:
        shown = questions[question.text]
        assert (shown.get("lang"), shown.get("dir")) == (question.lang, "auto")
    near = [(span.get("lang"), words(span)) for span in root.iter("span") if span.get("class") == "text"]
    changed = report.studies[0].changed
    assert sorted(near) == sorted((text.lang, text.text) for one in changed for text in one.nearest)
    assert all(span.get("dir") == "auto" for span in root.iter("span") if span.get("class") == "text")
    quotes = [words(quote) for quote in root.iter("blockquote")]
    assert sorted(quotes) == sorted(f"{one.title} {one.text}" for one in changed)


def test_each_plot_is_drawn_in_the_page_and_said_in_words(root: Element) -> None:
    figures = list(root.iter("figure"))
    plots = [plot for study in made_report().studies for plot in study.plots]
    assert len(figures) == len(plots)
    for figure, plot in zip(figures, plots, strict=True):
        (svg,) = figure.iter(f"{SVG}svg")
        (caption,) = figure.iter("figcaption")
        assert words(caption) == plot.alt
        assert svg.get("role") == "img"
        assert svg.get("aria-labelledby") == caption.get("id")
        assert svg.get("viewBox")
        assert svg.get("width") is None


def hostile(report: Report) -> Report:
    """The report with markup wherever data can bring it."""
    first, *others = report.questions
    study = report.studies[0]
    changed = study.changed[0]
    near = changed.nearest[0].model_copy(update={"text": HOSTILE, "lang": '"><script>'})
    poisoned = changed.model_copy(update={"title": HOSTILE, "text": HOSTILE, "nearest": [near]})
    return report.model_copy(
        update={
            "questions": [first.model_copy(update={"text": HOSTILE, "answers": [HOSTILE]}), *others],
            "studies": [study.model_copy(update={"title": HOSTILE, "summary": HOSTILE, "changed": [poisoned]})],
            "command": ["evaluate", HOSTILE],
            "dataset": report.dataset.model_copy(update={"name": HOSTILE, "notes": {HOSTILE: 1}}),
        }
    )


def test_markup_in_the_data_is_shown_as_text(drawings: dict[str, Drawing]) -> None:
    root = parsed(page(hostile(made_report()), drawings))
    assert not list(root.iter("script"))
    assert not list(root.iter("img"))
    shown = [element.tag for element in root.iter() if HOSTILE in (element.text or "")]
    assert {"title", "h1", "h2", "a", "p", "b", "bdi", "span", "th"} <= set(shown)


def test_the_command_can_be_typed_again(root: Element) -> None:
    (code,) = root.iter("code")
    assert code.text == "python -m offline evaluate compare --dataset 'vital:my data' --alpha 0.05"


def test_a_report_without_comparisons_has_a_page_too() -> None:
    report = made_report().model_copy(update={"studies": []})
    assert main_comparisons(report) == []
    assert "What came out" not in words(parsed(page(report, {})))
