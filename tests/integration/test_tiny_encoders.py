"""Real architectures, randomly initialised, through export, build and search over HTTP."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import numpy as np
import pytest
from rich.console import Console

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.settings import Settings
from offline.embed import EmbedRequest, embed
from offline.export.exporter import export
from offline.export.request import EmbeddingOptions, ExportRequest
from offline.load import LoadRequest, load
from tests import tiny

QUIET = Console(quiet=True)
Serve = Callable[[Settings], AbstractContextManager[str]]

CORPUS = [
    {"docid": "baikal", "title": "Lake Baikal", "text": "The deepest lake on Earth lies in Siberia."},
    {"docid": "nile", "title": "Nile", "text": "A river in Africa."},
    {"docid": "hangul", "title": "Hangul", "text": "The Korean alphabet."},
]
QUERIES = [
    {"docid": "baikal", "generated_queries": {"fi": ["Mikä on syvin järvi?"], "ru": ["Где находится Байкал?"]}},
    {"docid": "nile", "generated_queries": {"fi": ["Missä Niili virtaa?"], "ru": ["Где течёт Нил?"]}},
    {"docid": "hangul", "generated_queries": {"fi": ["Mikä on hangul?"], "ru": ["Что такое хангыль?"]}},
]
ALPHA = 0.2


def build(folder: Path, bundle: Bundle) -> str:
    (folder / "c.jsonl").write_text("".join(json.dumps(line) + "\n" for line in CORPUS))
    (folder / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in QUERIES))
    embed(EmbedRequest(folder / "c.jsonl", folder / "q.jsonl", bundle.folder, folder / "vectors"), QUIET)
    index = f"edge:{folder / 'index'}"
    asyncio.run(load(LoadRequest(folder / "vectors", index, "passages", ALPHA), QUIET))
    return index


def expected_scores(bundle: Bundle, question: str) -> dict[str, float]:
    """Fusion and search in a few lines: what the whole pipeline must come to."""
    encoder = OnnxEncoder(bundle, sides=tuple(Side))

    def one(text: str, side: Side) -> np.ndarray:
        return encoder.encode(encoder.tokenize([text], side), side)[0].astype(np.float64)

    scores = {}
    asked = one(question, Side.QUERY)
    for passage, generated in zip(CORPUS, QUERIES, strict=True):
        queries = [text for texts in generated["generated_queries"].values() for text in texts]  # type: ignore[attr-defined]
        fused = (1 - ALPHA) * one(f"{passage['title']} {passage['text']}", Side.PASSAGE)
        fused += ALPHA * sum(one(text, Side.QUERY) for text in queries)
        score = asked @ fused
        if bundle.encoder.similarity == "cosine":
            score /= np.linalg.norm(asked) * np.linalg.norm(fused)
        scores[passage["docid"]] = float(score)
    return scores


@pytest.mark.parametrize("kind", ["mbert", "xlmr", "untied"])
def test_an_encoder_goes_from_checkpoint_to_answers(tmp_path: Path, serve: Serve, kind: str) -> None:
    options = EmbeddingOptions(pooling="mean" if kind == "xlmr" else "cls", normalize=kind == "xlmr")
    if kind == "untied":
        query, passage = tiny.mbert(tmp_path / "query", 1), tiny.mbert(tmp_path / "passage", 2)
    else:
        query = passage = (tiny.mbert if kind == "mbert" else tiny.xlmr)(tmp_path / kind)
    bundle = export(ExportRequest(str(query), str(passage), tmp_path / "bundle", options=options), QUIET)
    index = build(tmp_path, bundle)
    question = "Где самое глубокое озеро?"
    with serve(Settings(bundle=bundle.folder, index=index)) as url:
        answer = httpx.post(f"{url}/v1/search", json={"query": question}).raise_for_status().json()
    expected = expected_scores(bundle, question)
    found = {hit["docid"]: hit["score"] for hit in answer["hits"]}
    assert found == pytest.approx(expected, rel=1e-4)
    assert list(found) == sorted(expected, key=expected.__getitem__, reverse=True)


def test_an_encoder_that_did_not_build_the_index_is_refused_by_field(tmp_path: Path, serve: Serve) -> None:
    """Same architecture, same dimension: only the contract can tell them apart."""
    model = str(tiny.mbert(tmp_path / "mbert"))
    built_with = export(ExportRequest(model, model, tmp_path / "cls", options=EmbeddingOptions(pooling="cls")), QUIET)
    other = export(ExportRequest(model, model, tmp_path / "mean", options=EmbeddingOptions(pooling="mean")), QUIET)
    index = build(tmp_path, built_with)
    with serve(Settings(bundle=other.folder, index=index)) as url:
        assert httpx.get(f"{url}/healthz").status_code == 200
        for answer in (httpx.get(f"{url}/readyz"), httpx.post(f"{url}/v1/search", json={"query": "x"})):
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            problem = answer.json()
            assert problem["type"] == "urn:xqg:problem:contract-mismatch"
            assert "pooling is 'cls' in the index and 'mean' in the bundle" in problem["detail"]
            assert "build an index with this bundle" in problem["detail"]
        assert httpx.get(f"{url}/v1/info").json()["index"] is None


def test_a_service_without_an_index_becomes_ready_when_one_is_built(tmp_path: Path, serve: Serve) -> None:
    model = str(tiny.mbert(tmp_path / "mbert"))
    bundle = export(ExportRequest(model, model, tmp_path / "b", options=EmbeddingOptions(pooling="cls")), QUIET)
    with serve(Settings(bundle=bundle.folder, index=f"edge:{tmp_path / 'index'}", index_retry_s=0.05)) as url:
        answer = httpx.get(f"{url}/readyz")
        assert answer.status_code == 503
        assert "python -m offline build" in answer.json()["detail"]
        build(tmp_path, bundle)
        for _ in range(200):
            if httpx.get(f"{url}/readyz").status_code == 200:
                break
        assert httpx.post(f"{url}/v1/search", json={"query": "x"}).json()["index"]["passages"] == 3
