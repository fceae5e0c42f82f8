"""A tiny mT5 and a tiny encoder, from checkpoints to an answer over HTTP, by the commands that people type."""

import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx

from app.settings import Settings
from tests import tiny

Offline = Callable[..., subprocess.CompletedProcess[str]]
PASSAGES = {"baikal": "The deepest lake on Earth.", "nile": "A river in Africa.", "hangul": "The Korean alphabet."}


def test_generated_queries_are_fused_and_explain_the_hits(
    tmp_path: Path, run_offline: Offline, serve: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text("".join(json.dumps({"docid": name, "text": text}) + "\n" for name, text in PASSAGES.items()))
    generator, encoder = tiny.mt5(tmp_path / "mt5"), tiny.mbert(tmp_path / "mbert")
    queries = tmp_path / "queries" / "queries.jsonl"
    index = f"edge:{tmp_path / 'index'}"
    for command in (
        ["export", "--model", encoder, "--pooling", "cls", "--output", tmp_path / "bundle"],
        ["generate", "--corpus", corpus, "--model", generator, "--max-new-tokens", 16, "--output", queries.parent],
        [
            "embed",
            "--corpus",
            corpus,
            "--queries",
            queries,
            "--bundle",
            tmp_path / "bundle",
            "--output",
            tmp_path / "v",
        ],
        ["load", "--vectors", tmp_path / "v", "--index", index],
    ):
        done = run_offline(*command)
        assert done.returncode == 0, done.stderr

    generated = {line["docid"]: line["generated_queries"] for line in map(json.loads, queries.read_text().splitlines())}
    assert {len(texts) for by_language in generated.values() for texts in by_language.values()} == {5}
    asked = generated["nile"]["te"][0]
    with serve(Settings(bundle=tmp_path / "bundle", index=index)) as url:
        info = httpx.get(f"{url}/v1/info").json()
        answer = httpx.post(f"{url}/v1/search", json={"query": asked, "explain": True}, timeout=30).json()
    assert info["index"]["queries_per_language"] == dict.fromkeys(("ar", "bn", "fi", "ja", "ko", "ru", "te"), 15)
    nile = next(hit for hit in answer["hits"] if hit["docid"] == "nile")
    closest = nile["matched_queries"][0]
    assert closest["query"] == asked


def test_an_incomplete_set_is_refused_and_named_by_embed(tmp_path: Path, run_offline: Offline) -> None:
    corpus = tmp_path / "c.jsonl"
    corpus.write_text("".join(json.dumps({"docid": name, "text": text}) + "\n" for name, text in PASSAGES.items()))
    published = tmp_path / "published.jsonl"
    lines = [{"docid": name, "generated_queries": {"ar": ["1", "2"], "te": ["1"]}} for name in PASSAGES]
    published.write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = ["--corpus", corpus, "--source", "published", "--file", published, "--output", tmp_path / "queries"]
    wanted = ["--languages", "ar,te", "--queries-per-language", 2]
    refused = run_offline("generate", *arguments, *wanted)
    assert refused.returncode == 3
    assert "te: 3 (such as baikal (te), nile (te), hangul (te)), because the files have 1 queries" in refused.stderr
    assert run_offline("generate", *arguments, *wanted, "--allow-partial").returncode == 0
    run_offline(
        "export", "--model", tiny.mbert(tmp_path / "mbert"), "--pooling", "cls", "--output", tmp_path / "bundle"
    )
    files = ["--corpus", corpus, "--queries", tmp_path / "queries" / "queries.jsonl", "--bundle", tmp_path / "bundle"]
    failed = run_offline("embed", *files, "--output", tmp_path / "v")
    assert failed.returncode == 3
    assert "fewer queries than the set promises (te: 3, such as baikal (te)" in failed.stderr
    assert run_offline("embed", *files, "--output", tmp_path / "v", "--allow-partial").returncode == 0
