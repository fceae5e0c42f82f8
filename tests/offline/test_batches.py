"""Batches: sorted by length, cut at a token budget, nothing lost."""

from collections.abc import Iterator

import numpy as np
import pytest

from app.bundle import Side
from app.encoder import OnnxEncoder, Tokens
from offline.batches import Batch, BatchEmbedder, token_batches


def tokens(*lengths: int) -> list[Tokens]:
    return [Tokens([0] * length, False) for length in lengths]


def test_every_text_is_in_exactly_one_batch_and_none_is_over_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 120, 500)
    batches = list(token_batches(tokens(*lengths), 160))
    assert sorted(index for batch in batches for index in batch) == list(range(500))
    assert all(max(lengths[batch]) * len(batch) <= 160 for batch in batches if len(batch) > 1)


def test_neighbours_in_length_share_a_batch() -> None:
    assert list(token_batches(tokens(5, 50, 6, 49, 5), 100)) == [[1, 3], [2, 0, 4]]


def test_a_text_beyond_the_budget_is_a_batch_of_its_own() -> None:
    assert list(token_batches(tokens(300, 4), 100)) == [[0], [1]]


def test_no_texts_make_no_batches() -> None:
    assert list(token_batches([], 100)) == []


def test_rows_come_back_in_the_order_of_the_texts(encoder: OnnxEncoder) -> None:
    texts = ["Kuka keksi puhelimen?", "Где?", "東京タワーの高さはどれくらいですか？", "ఎక్కడ"]
    embedder = BatchEmbedder(encoder, workers=2, max_batch_tokens=24)
    told: list[int] = []
    vectors = embedder.embed(texts, Side.QUERY, told.append)
    embedder.close()
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(
            vector, encoder.encode(encoder.tokenize([text], Side.QUERY), Side.QUERY)[0], atol=1e-5
        )
    assert sum(told) == len(texts)


def test_batches_of_several_lists_run_in_one_stream_and_few_are_drawn_ahead(encoder: OnnxEncoder) -> None:
    embedder = BatchEmbedder(encoder, workers=2, max_batch_tokens=8)
    passages, passage_batches = embedder.cut(["Baikal"] * 6, Side.PASSAGE)
    queries, query_batches = embedder.cut(["Где?"] * 6, Side.QUERY)
    drawn: list[Batch] = []

    def stream() -> Iterator[Batch]:
        for batch in passage_batches + query_batches:
            drawn.append(batch)
            yield batch

    done = []
    for batch in embedder.run(stream()):
        assert batch.vectors[batch.rows].any(axis=1).all()  # in place when it is told
        done.append(batch)
        assert len(drawn) - len(done) <= 4
    embedder.close()
    assert done == passage_batches + query_batches
    assert len(done) > 8
    for vectors, side, text in ((passages, Side.PASSAGE, "Baikal"), (queries, Side.QUERY, "Где?")):
        alone = encoder.encode(encoder.tokenize([text], side), side)
        np.testing.assert_allclose(vectors, np.repeat(alone, 6, axis=0), atol=1e-5)


def test_an_error_of_the_encoder_comes_out_as_itself(encoder: OnnxEncoder) -> None:
    embedder = BatchEmbedder(encoder, workers=2, max_batch_tokens=64)
    vectors, batches = embedder.cut(["Где?"] * 40, Side.QUERY)
    batches[1] = Batch(Side.QUERY, [Tokens([10**6], False)], [0], vectors)  # no such token
    with pytest.raises(Exception, match="out of data bounds"):
        list(embedder.run(batches))
    embedder.close()
