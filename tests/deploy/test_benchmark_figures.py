"""The figures that the benchmark derives from what it measured."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from deploy.benchmarks.load_client import Answers
from deploy.benchmarks.materials import Reference
from deploy.benchmarks.peers.corpus import Corpus
from deploy.benchmarks.questions import endless, read_questions
from deploy.benchmarks.results import Bound, Level, Measured
from deploy.benchmarks.server import Usage
from deploy.benchmarks.soak import Sample, creep, growth, windows


def part(*cells: tuple[int, float, float]) -> dict[str, object]:
    grid = [{"callers": 2, "batch": batch, "rate": rate, "cpu_s": cpu_s} for batch, rate, cpu_s in cells]
    return {"search_cpu_s": 0.0003, "engines": {"e": {"grid": grid, "lone": {"p50_s": 0.01}}}}


def test_the_combined_bound_is_the_cores_over_all_cpu_that_a_request_cannot_do_without() -> None:
    http = Measured("http")
    http.levels[32] = [Level(9000, 1, 1, 1, 1, 0, server_cpu_ms=0.15, client_cpu_ms=0.05)]
    # batch 8 wins by its median, though batch 16 has the single best rate
    parts = [part((8, 300, 0.0065), (16, 290, 0.007)), part((8, 310, 0.0065), (16, 290, 0.007))]
    bound = Bound(2, [*parts, part((8, 305, 0.0065), (16, 400, 0.004))], http)
    assert bound.best("e")["batch"] == 8
    assert bound.combined("e") == pytest.approx(2 / (0.0065 + 0.0002 + 0.0003))


def test_agreement_counts_the_first_and_the_ten(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", np.eye(12, dtype=np.float32))
    lines = (json.dumps({"docid": f"d{number}"}) for number in range(12))
    (tmp_path / "passages.jsonl").write_text("\n".join(lines) + "\n")
    falling = np.linspace(1, 0.1, 12, dtype=np.float32)[None]  # d0 is closest, then d1 ...
    reference = Reference(["a question"], falling)
    exact = [f"d{number}" for number in range(10)]
    assert reference.agreement(Corpus(tmp_path), [exact]) == (1.0, 1.0)
    assert reference.agreement(Corpus(tmp_path), [["d11", *exact[:9]]]) == (0.0, 0.9)


def test_questions_are_distinct_and_come_in_the_order_of_the_seed_and_never_twice(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl.gz"
    with gzip.open(path, "wt") as lines:
        for text in ("a", "b", "b", "c"):
            lines.write(json.dumps({"question": text}) + "\n")
        lines.write(json.dumps({"docid": "x", "generated_queries": {"fi": ["d"], "ko": ["e", "a"]}}) + "\n")
    questions = read_questions(path, 7)
    assert sorted(questions) == ["a", "b", "c", "d", "e"]
    assert questions == read_questions(path, 7)
    assert len(set(itertools.islice(endless(questions), 15))) == 15


def test_a_question_file_without_questions_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"query": "a"}\n{"text": "b"}\n')
    with pytest.raises(SystemExit, match="line 2"):
        read_questions(path, 0)


def sample(at_s: float, resident: float) -> Sample:
    return Sample(at_s, Usage(0.0, int(resident), int(resident), int(resident), 20, 10))


def test_memory_growth_is_told_from_what_comes_after_the_start() -> None:
    settled = [sample(at, 1e9 if at >= 120 else 1e9 * at / 120) for at in range(0, 600, 2)]
    assert growth(settled, 600, "own") == (pytest.approx(0, abs=1), pytest.approx(0, abs=1e-6))
    leaking = [sample(at, 1e9 + 1e6 * at) for at in range(0, 600, 2)]
    slope, share = growth(leaking, 600, "own")
    assert slope == pytest.approx(1e6)
    assert share == pytest.approx(480e6 / 1.12e9, rel=1e-3)


def test_latency_creep_and_windows_go_by_when_requests_were_due() -> None:
    answers = Answers(600, due_s=list(range(600)), latencies_s=[0.01] * 440 + [0.03] * 160)
    answers.error_due_s = [31.0]
    assert creep(answers, "p50", 0.5) == ("p50", pytest.approx(3))
    found = windows(answers, [sample(at, 1e9) for at in range(0, 600, 2)])
    assert [each.answers for each in found] == [30] * 20
    assert [each.errors for each in found] == [0, 1] + [0] * 18
    assert found[0].p50_ms == pytest.approx(10)
    assert found[-1].p99_ms == pytest.approx(30)
