"""The plan: its arithmetic by hand, and the sizing document against what it prints."""

import re

import pytest
from typer.testing import CliRunner

from app.errors import ConfigurationError
from offline.__main__ import cli
from offline.plan.arithmetic import n
from offline.plan.report import said
from offline.plan.stages import Figure, stages
from offline.plan.workload import Hardware, Rates, Workload, rates_of
from tests.conftest import ROOT

SIZING = (ROOT / "deploy" / "SIZING.md").read_text(encoding="utf-8")
SMALL = Workload(
    passages=1000,
    languages=2,
    queries_per_language=3,
    dimension=10,
    passage_tokens=100,
    query_tokens=20,
    passage_bytes=500,
    query_bytes=50,
    shard_size=10,
    links=4,
)


def small_rates() -> Rates:
    given = {"generate": 10, "stage": 8_000, "embed": 1_000, "load": 100, "link": 50}
    return rates_of("cpu", SMALL, given | {"worker_price": 36, "memory_price": 2, "disk_price": 3})


def figure(found: dict[str, list[Figure]], stage: str, what: str) -> float:
    (value,) = (figure.number.value for figure in found[stage] if figure.what == what)
    return value


@pytest.mark.parametrize(
    ("stage", "what", "expected"),
    [
        ("generate", "queries", 6_000),  # 1000 passages, 2 languages, 3 queries each
        ("generate", "work", 600),
        ("generate", "time", 150),  # 4 workers
        ("generate", "cost", 6),  # a sixth of an hour
        ("generate", "disk", 300_000),
        ("embed", "tokens", 220_000),  # 100 + 6 x 20 a passage
        ("embed", "staging", 100),  # 500 + 6 x 50 bytes a passage, 8,000 a second
        ("embed", "work", 220),
        ("embed", "time", 100 + 55),
        ("embed", "cost", 3.2),  # 320 s
        ("embed", "disk, shards", 1000 * (3 * 10 * 4 + 2 * 4)),
        ("embed", "disk, float16 shards", 1000 * (3 * 10 * 2 + 2 * 4)),
        ("embed", "all vectors", 1000 * 7 * 10 * 4),
        ("load", "time", 10 + 20),
        ("serve", "vectors, float32", 40_000),
        ("serve", "vectors, float16", 20_000),
        ("serve", "vectors, int8", 10_000),
        ("serve", "graph", pytest.approx(1000 * (8 + 4 / 3) * 4)),
        ("serve", "memory, least", pytest.approx(10_000 + 37_333)),
        ("in all", "time", 150 + 155 + 30),
    ],
)
def test_the_figures_are_those_calculated_by_hand(stage: str, what: str, expected: float) -> None:
    assert figure(stages(SMALL, small_rates(), workers=4), stage, what) == expected


@pytest.mark.parametrize("hardware", ["cpu", "gpu"])
@pytest.mark.parametrize("work", [Workload(), SMALL, Workload(languages=0, queries_per_language=0)])
def test_every_printed_arithmetic_comes_to_its_result(work: Workload, hardware: Hardware) -> None:
    for figures in stages(work, rates_of(hardware, work, {}), workers=8).values():
        for one in figures:
            calculated = eval(one.number.text.replace("×", "*").replace(",", ""))  # noqa: S307, digits and signs
            assert calculated == pytest.approx(one.number.value, rel=1e-9), one


def test_the_memory_of_a_worker_does_not_grow_with_the_corpus() -> None:
    for work in (SMALL, Workload()):
        more = Workload(**{field: getattr(work, field) for field in work.__slots__} | {"passages": 10 * work.passages})
        few, many = (stages(w, rates_of("cpu", w, {}), workers=1) for w in (work, more))
        assert figure(few, "embed", "memory") == figure(many, "embed", "memory")


def test_a_sum_inside_a_product_is_in_parentheses() -> None:
    assert ((n(2) + 3) * 4).text == "(2 + 3) × 4"
    assert (n(2) * (n(3) - 0.5) / (n(4) * 5)).text == "2 × (3 - 0.5) / (4 × 5)"
    assert (n(9) - (n(3) - 1)).text == "9 - (3 - 1)"
    assert (n(1e6) / 3).result.text == "333,333"


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (442_872_000_000, "bytes", "443 GB"),
        (1.9906e12, "bytes", "1.99 TB"),
        (999, "bytes", "999 bytes"),
        (90, "s", "90.0 seconds"),
        (5_983, "s", "99.7 minutes"),
        (33_862, "s", "9.41 hours"),
        (1_260_000, "s", "14.6 days"),
        (3500.4, "$", "$3,500"),
        (104.2, "$ a month", "$104 a month"),
    ],
)
def test_values_are_said_as_a_person_says_them(value: float, unit: str, words: str) -> None:
    assert said(value, unit) == words  # type: ignore[arg-type]


def test_every_rate_says_whether_it_was_measured_assumed_or_given_and_gpu_speeds_are_assumed() -> None:
    for hardware in ("cpu", "gpu"):
        rates = rates_of(hardware, Workload(), {"price": None} | {"disk_price": 1.0})
        for name in rates.__slots__:
            assert getattr(rates, name).source.split(":")[0] in ("measured", "assumed", "given")
        assert rates.disk_price.source == "given"
    for name in ("generate", "embed", "worker_price"):
        assert getattr(rates, name).source.startswith("assumed")


def test_numbers_out_of_range_are_refused_by_option() -> None:
    for wrong in ({"passages": 0}, {"passages": float("nan")}, {"dimension": float("inf")}, {"links": 1}):
        with pytest.raises(ConfigurationError, match=f"--{next(iter(wrong))} must be a number of at least"):
            Workload(**wrong)
    with pytest.raises(ConfigurationError, match="the rate of embed must be a number above 0"):
        rates_of("cpu", Workload(), {"embed": 0})


def printed(command: str) -> str:
    result = CliRunner().invoke(cli, command.removeprefix("python -m offline ").split())
    assert result.exit_code == 0, result.output
    return result.output


BLOCKS = re.findall(r"```console\n\$ (python -m offline plan[^\n]*)\n(.*?)```", SIZING, re.DOTALL)


def test_the_sizing_document_shows_what_plan_prints() -> None:
    assert len(BLOCKS) == 2
    for command, shown in BLOCKS:
        assert printed(command) == shown


def test_the_headline_figures_of_the_sizing_document_are_those_of_plan() -> None:
    lines = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in SIZING.splitlines() if line[:2] == "| "]
    headline = lines[2 : next(number for number, cells in enumerate(lines) if "in all: cost" in cells) + 1]
    assert len(headline) >= 15
    for column, (_, shown) in enumerate(BLOCKS, start=1):
        values: dict[str, str] = {}
        stage = ""
        for line in shown.splitlines():
            if not line.startswith(" "):
                stage = line
            elif "  = " in line:
                what, value = re.split(r" {2,}", line.split("  = ")[0].strip())
                values[f"{stage}: {what}"] = value
        for cells in headline:
            assert cells[column] == values[cells[0]], cells[0]
