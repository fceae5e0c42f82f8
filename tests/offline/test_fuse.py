"""The fusion is arithmetic, so it is tested as arithmetic."""

import numpy as np
import pytest

from app.errors import ConfigurationError
from offline.fuse import fuse


def test_queries_are_summed_over_languages_and_weighted_by_alpha() -> None:
    passages = np.array([[10.0, 20.0]], np.float32)
    sums = np.array([[[1.0, 2.0], [3.0, -4.0]]], np.float32)
    counts = np.array([[1, 2]], np.int32)
    # 0.9 * [10, 20] + 0.1 * [4, -2]
    np.testing.assert_allclose(fuse(passages, sums, counts, 0.1), [[9.4, 17.8]], rtol=1e-6)


def test_it_is_a_sum_and_no_mean_so_more_queries_weigh_more() -> None:
    passages = np.zeros((2, 1), np.float32)
    sums = np.array([[[1.0]], [[5.0]]], np.float32)  # one query and five of the same
    counts = np.array([[1], [5]], np.int32)
    one, five = fuse(passages, sums, counts, 0.01)
    assert five == pytest.approx(5 * one)


def test_thirty_five_unit_queries_at_the_papers_alpha_weigh_35_of_134() -> None:
    passages = np.array([[1.0, 0.0]], np.float32)
    sums = np.full((1, 7, 2), [0.0, 5.0], np.float32)
    counts = np.full((1, 7), 5, np.int32)
    along, across = fuse(passages, sums, counts, 0.01)[0]
    assert across / (along + across) == pytest.approx(0.35 / 1.34)


def test_a_passage_without_queries_keeps_its_vector_exactly() -> None:
    passages = np.array([[0.3, 0.7], [0.3, 0.7]], np.float32)
    sums = np.zeros((2, 7, 2), np.float32)
    counts = np.zeros((2, 7), np.int32)
    counts[1, 0] = 1
    fused = fuse(passages, sums, counts, 0.5)
    assert fused[0].tolist() == passages[0].tolist()
    assert fused[1].tolist() == pytest.approx([0.15, 0.35])


def test_alpha_zero_is_the_plain_passage_and_alpha_one_the_queries_alone() -> None:
    passages, sums = np.array([[2.0]], np.float32), np.array([[[3.0], [4.0]]], np.float32)
    counts = np.ones((1, 2), np.int32)
    assert fuse(passages, sums, counts, 0.0).item() == 2
    assert fuse(passages, sums, counts, 1.0).item() == 7


def test_a_run_without_any_languages_fuses_nothing() -> None:
    passages = np.array([[1.0, 2.0]], np.float32)
    fused = fuse(passages, np.zeros((1, 0, 2), np.float32), np.zeros((1, 0), np.int32), 0.5)
    assert fused.tolist() == [[1.0, 2.0]]


def test_the_result_is_float32() -> None:
    passages = np.ones((1, 2), np.float32)
    assert fuse(passages, np.ones((1, 1, 2), np.float32), np.ones((1, 1), np.int32), 0.3).dtype == np.float32


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        fuse(np.ones((1, 1), np.float32), np.ones((1, 1, 1), np.float32), np.ones((1, 1), np.int32), alpha)
