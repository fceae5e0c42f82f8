"""Texts are embedded once, whoever asks and however the one before ended."""

from pathlib import Path

import numpy as np
import pytest

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from offline.batches import BatchEmbedder
from offline.evaluate.embedding_cache import EmbeddingCache
from tests.conftest import QUIET

TEXTS = ["Kuka keksi puhelimen?", "Кто изобрёл телефон?", "Kuka keksi puhelimen?", "ఎవరు?"]


def _embed(folder: Path, bundle: Bundle, texts: list[str], side: Side = Side.QUERY) -> np.ndarray:
    cache = EmbeddingCache(folder, bundle)
    try:
        return cache.embed(texts, side, "texts", QUIET)
    finally:
        cache.close()


def test_vectors_are_the_encoders_own_in_the_order_of_the_texts(tmp_path: Path, tiny_bundle: Bundle) -> None:
    encoder = OnnxEncoder(tiny_bundle, sides=tuple(Side))

    for side in Side:
        expected = [encoder.encode(encoder.tokenize([text], side), side)[0] for text in TEXTS]
        np.testing.assert_allclose(_embed(tmp_path, tiny_bundle, TEXTS, side), expected, atol=1e-5)


def test_a_text_is_embedded_once(tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded: list[str] = []
    embed = BatchEmbedder.embed

    def noting(self: BatchEmbedder, texts: list[str], *rest: object) -> np.ndarray:
        embedded.extend(texts)
        return embed(self, texts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchEmbedder, "embed", noting)
    first = _embed(tmp_path, tiny_bundle, TEXTS[:3])
    again = _embed(tmp_path, tiny_bundle, TEXTS)

    assert embedded == [TEXTS[0], TEXTS[1], TEXTS[3]]
    np.testing.assert_array_equal(first, again[:3])


def test_what_was_embedded_before_a_crash_is_kept(
    tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("offline.evaluate.embedding_cache._AT_ONCE", 1)
    calls = 0
    embed = BatchEmbedder.embed

    def failing(self: BatchEmbedder, texts: list[str], *rest: object) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return embed(self, texts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchEmbedder, "embed", failing)
    with pytest.raises(KeyboardInterrupt):
        _embed(tmp_path, tiny_bundle, TEXTS)
    _embed(tmp_path, tiny_bundle, TEXTS)

    assert calls == 4  # two before the crash, the one that crashed, and what was missing


def test_encoders_do_not_share_vectors(tmp_path: Path, tiny_bundle: Bundle, demo_bundle: Bundle) -> None:
    tiny, real = (_embed(tmp_path, bundle, TEXTS) for bundle in (tiny_bundle, demo_bundle))

    assert tiny.shape[1] != real.shape[1]
