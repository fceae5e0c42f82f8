"""Sums of queries, and the values that shard files can hold."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import VerificationError
from offline.run import Run, RunManifest
from offline.shard_embedder import sums_of
from offline.shards import Shard, is_whole, read_shard, write_shard

ROWS = range(2)


def shard(value: float) -> Shard:
    return Shard(np.full((2, 3), 0.1, np.float32), np.full((2, 1, 3), value, np.float32), np.ones((2, 1), np.int32))


def test_queries_are_summed_per_passage_and_language_and_none_make_zeros() -> None:
    vectors = np.array([[1, 10], [2, 20], [4, 40], [8, 80]], np.float32)
    counts = np.array([[0, 2], [1, 0], [0, 0], [0, 1]], np.int32)
    expected = [[[0, 0], [3, 30]], [[4, 40], [0, 0]], [[0, 0], [0, 0]], [[0, 0], [8, 80]]]
    np.testing.assert_array_equal(sums_of(vectors, counts), np.array(expected, np.float32))
    nothing = sums_of(np.zeros((0, 2), np.float32), np.zeros((3, 0), np.int32))
    assert nothing.shape == (3, 0, 2)  # a corpus without queries


def test_a_float16_shard_takes_half_the_disk_and_is_read_back_as_float32(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    written = Shard(
        random.normal(size=(500, 64)).astype(np.float32),
        random.normal(size=(500, 7, 64)).astype(np.float32),
        np.ones((500, 7), np.int32),
    )
    for dtype in ("float32", "float16"):
        write_shard(tmp_path / dtype, written, "run", range(500), dtype)
    sizes = {path.name: path.stat().st_size - written.counts.nbytes for path in tmp_path.iterdir()}
    assert sizes["float16"] == pytest.approx(sizes["float32"] / 2, rel=0.01)
    read = read_shard(tmp_path / "float16")
    assert read.passages.dtype == read.query_sums.dtype == np.float32
    np.testing.assert_allclose(read.query_sums, written.query_sums, rtol=2**-11, atol=1e-7)
    np.testing.assert_array_equal(read_shard(tmp_path / "float32").query_sums, written.query_sums)


def test_a_value_that_float16_cannot_hold_is_refused_with_the_option_that_can(tmp_path: Path) -> None:
    path = tmp_path / "000000.safetensors"
    with pytest.raises(VerificationError, match=r"65504.*--vector-dtype float32"):
        write_shard(path, shard(-65_600), "run", ROWS, "float16")
    assert list(tmp_path.iterdir()) == []
    write_shard(path, shard(65_504), "run", ROWS, "float16")
    assert read_shard(path).query_sums.max() == 65_504
    write_shard(path, shard(65_600), "run", ROWS)
    assert read_shard(path).query_sums.max() == 65_600


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(VerificationError, match="infinite values for rows 0 to 2"):
        write_shard(tmp_path / "s", shard(value), "run", ROWS)


def test_what_is_left_of_a_killed_writer_is_no_shard_and_is_removed_from_the_own_share_alone(tmp_path: Path) -> None:
    run = Run(tmp_path)
    (tmp_path / "shards").mkdir()
    left = [tmp_path / "shards" / f"{number:06d}.safetensors.abc.partial" for number in (3, 7)]
    for path in left:
        path.write_text("cut short")
    write_shard(run.shard_path(3), shard(1), "run", ROWS)
    assert is_whole(run.shard_path(3), "run", ROWS)
    run.remove_partials(range(5))
    assert [path.exists() for path in left] == [False, True]
    assert run.shard_path(3).exists()


def test_a_run_begun_before_there_was_a_vector_dtype_is_float32() -> None:
    begun = """{"format": 1, "run_id": "r", "corpus_sha256": "c", "queries_sha256": null, "ignore_unmatched": false,
        "languages": [], "shard_size": 2,
        "encoder": {"source": "tiny", "revision": "local", "dimension": 4, "pooling": "cls", "normalize": false,
            "similarity": "cosine", "query_prefix": "", "passage_prefix": "", "query_max_tokens": 32,
            "passage_max_tokens": 64, "precision": "fp32", "opset": 18, "pad_token_id": 0, "files": {}},
        "report": {"passages": 3, "augmented_passages": 0, "queries_per_language": {}, "fewest_and_most": {},
            "corpus_digest": "c", "queries_digest": null, "mended": {}, "without_queries": []}}"""
    assert RunManifest.model_validate_json(begun).vector_dtype == "float32"
