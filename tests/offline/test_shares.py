"""Shares of a job, and the locks that keep workers apart."""

from pathlib import Path

import pytest

from app.errors import ConfigurationError, RunConflict
from offline.locks import worker_lock
from offline.share import Share


@pytest.mark.parametrize(("units", "workers"), [(0, 3), (1, 4), (7, 3), (8, 8), (1000, 7)])
def test_the_shares_of_a_job_cover_every_unit_once_and_evenly(units: int, workers: int) -> None:
    shares = [Share(number, workers).units(units) for number in range(1, workers + 1)]
    assert [unit for share in shares for unit in share] == list(range(units))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "a/b", "-1/4", "1/4/2"])
def test_a_share_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="such as 1/8"):
        Share.parse(text)


def test_workers_of_one_job_share_a_folder(tmp_path: Path) -> None:
    with worker_lock(tmp_path, Share.parse("1/2")), worker_lock(tmp_path, Share.parse("2/2")):
        pass


@pytest.mark.parametrize(("first", "second"), [("1/1", "1/1"), ("1/2", "1/2"), ("2/2", "1/3"), ("1/1", "2/2")])
def test_a_second_writer_of_a_share_or_another_division_is_refused(tmp_path: Path, first: str, second: str) -> None:
    with (
        worker_lock(tmp_path, Share.parse(first)),
        pytest.raises(RunConflict, match="another process is writing"),
        worker_lock(tmp_path, Share.parse(second)),
    ):
        pass
    with worker_lock(tmp_path, Share.parse(second)):  # free again
        pass
