"""The contract between index and encoder names what differs."""

from pathlib import Path

import pytest

from app.bundle import Bundle, Manifest
from app.errors import ContractMismatch
from tests.contracts import IDENTITY, contract


def bundle(**changes: object) -> Bundle:
    identity = IDENTITY.model_copy(update=changes)
    return Bundle(
        Path("served"),
        Manifest(fingerprint=identity.fingerprint, encoder=identity, canaries=[], canaries_sha256="", exported_with={}),
    )


def test_the_encoder_that_built_the_index_belongs_to_it() -> None:
    contract().check_encoder(bundle(), "passages-1")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("dimension", 8, "dimension is 4 in the index and 8 in the bundle"),
        ("pooling", "mean", "pooling is 'cls' in the index and 'mean' in the bundle"),
        ("normalize", True, "normalize is False"),
        ("similarity", "dot", "similarity is 'cosine'"),
        ("query_prefix", "query: ", "query_prefix is '' in the index and 'query: '"),
        ("passage_max_tokens", 32, "passage_max_tokens is 64"),
        ("precision", "int8", "precision is 'fp32' in the index and 'int8'"),
        ("revision", "main", "revision is 'local'"),
        ("files", {"model.onnx": "22", "tokenizer.json": "11"}, "model.onnx: 22"),
    ],
)
def test_any_field_that_differs_is_named_with_both_values(field: str, value: object, words: str) -> None:
    with pytest.raises(ContractMismatch) as caught:
        contract().check_encoder(bundle(**{field: value}), "passages-1")
    assert words in str(caught.value)
    assert "Serve with the bundle that built the index" in str(caught.value)


def test_every_field_counts_in_the_fingerprint() -> None:
    others = {
        "source": "x", "revision": "x", "passage_source": "x", "passage_revision": "x", "dimension": 8,
        "pooling": "mean", "normalize": True, "similarity": "dot", "query_prefix": "x", "passage_prefix": "x",
        "query_max_tokens": 8, "passage_max_tokens": 8, "precision": "int4", "opset": 17, "pad_token_id": 1,
        "files": {"model.onnx": "00"},
    }  # fmt: skip
    assert set(others) == set(type(IDENTITY).model_fields)
    fingerprints = {IDENTITY.model_copy(update={name: value}).fingerprint for name, value in others.items()}
    assert len(fingerprints | {IDENTITY.fingerprint}) == len(others) + 1
