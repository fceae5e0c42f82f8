"""Finished embed runs of random vectors, for loads that need no encoder."""

import json
from pathlib import Path

import numpy as np

from offline.run import Run, RunManifest, run_id_of
from offline.shards import Shard, read_shard, write_shard
from offline.staging import stage
from tests.contracts import IDENTITY

LANGUAGES = ["ar", "te"]


def random_run(folder: Path, passages: int, shard_size: int) -> Path:
    """Passages of two topics with a query in each of two languages; returns the folder of the run."""
    folder.mkdir()
    corpus, queries = folder / "c.jsonl", folder / "q.jsonl"
    docids = [str(number) for number in range(passages)]
    topics = ["Arts", "History"]
    corpus.write_text(
        "".join(json.dumps({"docid": n, "text": f"passage {n}", "topic": topics[int(n) % 2]}) + "\n" for n in docids)
    )
    line = {"generated_queries": {code: ["q"] for code in LANGUAGES}}
    queries.write_text("".join(json.dumps({"docid": n} | line) + "\n" for n in docids))
    run = Run(folder / "vectors")
    run.folder.mkdir()
    report = stage(run.staging_path, corpus, queries)
    manifest = RunManifest(
        run_id=run_id_of(IDENTITY, report),
        encoder=IDENTITY,
        corpus_sha256="c",
        queries_sha256="q",
        ignore_unmatched=False,
        languages=LANGUAGES,
        shard_size=shard_size,
        report=report,
    )
    run.begin(manifest)
    random = np.random.default_rng(0)
    for number in range(manifest.shard_count):
        rows = manifest.rows(number)
        size = (len(rows), IDENTITY.dimension)
        shard = Shard(
            random.normal(size=size).astype(np.float32),
            random.normal(size=(size[0], 2, size[1])).astype(np.float32),
            np.ones((size[0], 2), np.int32),
        )
        write_shard(run.shard_path(number), shard, manifest.run_id, rows)
    return run.folder


def shuffle_queries(vectors: Path) -> None:
    """Give every passage of a finished run the queries of the one before it."""
    run = Run(vectors)
    manifest = run.manifest()
    assert manifest is not None
    for number in range(manifest.shard_count):
        shard = read_shard(run.shard_path(number))
        turned = Shard(shard.passages, np.roll(shard.query_sums, 1, axis=0), shard.counts)
        write_shard(run.shard_path(number), turned, manifest.run_id, manifest.rows(number))
