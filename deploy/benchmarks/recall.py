"""Recall@1, recall@10 and MRR per language, with and without xQG, from the vectors of one embed run.

    python deploy/benchmarks/recall.py --vectors var/demo/vectors --bundle var/demo/bundle \
        --questions questions.jsonl --alpha 0.05

``questions.jsonl`` has one ``{"lang", "question", "docid"}`` a line, the docid being that of the
passage that answers.  The search is exact, so the figures tell of the vectors alone.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from app.bundle import Bundle, Side
from app.cores import usable_cores
from app.encoder import OnnxEncoder
from app.engines import EngineName
from app.vectors import Vectors
from offline.batches import BatchEmbedder
from offline.fuse import fuse
from offline.run import Run
from offline.shards import read_shard
from offline.staging import read_staged


def ranks(questions: Vectors, passages: Vectors, answers: list[int], cosine: bool) -> Vectors:
    """Rank (from 1) of each question's passage; ties count against it."""
    if cosine:
        passages = passages / np.linalg.norm(passages, axis=1, keepdims=True)
    scores = questions @ passages.T
    own = scores[np.arange(len(answers)), answers]
    return (scores >= own[:, None]).sum(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--engine", choices=get_args(EngineName), default="onnxruntime", help="embeds the questions")
    args = parser.parse_args()

    run = Run(args.vectors)
    manifest = run.manifest()
    if manifest is None or run.missing_shards(manifest):
        raise SystemExit(f"{args.vectors} holds no finished run")
    shards = [read_shard(run.shard_path(number)) for number in range(manifest.shard_count)]
    plain = np.concatenate([shard.passages for shard in shards])
    fused = np.concatenate([fuse(s.passages, s.query_sums, s.counts, args.alpha) for s in shards])
    with run.staging() as staging:
        row_of = {passage.docid: row for row, passage in enumerate(read_staged(staging))}

    asked = [json.loads(line) for line in args.questions.read_text(encoding="utf-8").splitlines()]
    known = [question for question in asked if question["docid"] in row_of]
    bundle = Bundle.open(args.bundle)
    encoder = OnnxEncoder(bundle, engine=args.engine, callers=usable_cores())
    embedder = BatchEmbedder(encoder, usable_cores(), 512)
    vectors = embedder.embed([question["question"] for question in known], Side.QUERY, lambda _: None)
    embedder.close()
    answers = [row_of[question["docid"]] for question in known]
    cosine = bundle.encoder.similarity == "cosine"
    both = [ranks(vectors, passages, answers, cosine) for passages in (plain, fused)]

    rows: dict[str, list[int]] = defaultdict(list)
    for index, question in enumerate(known):
        rows[question["lang"]].append(index)
        rows["all"].append(index)
    console = Console()
    console.print(f"{encoder.engine.version}, {encoder.engine.arithmetic}")
    console.print(f"{len(known)} questions ({len(asked) - len(known)} without a passage here), {len(plain)} passages")
    table = Table("language", "questions", "R@1", "with xQG", "R@10", "with xQG ", "MRR", "with xQG  ")
    table.title = f"Without and with xQG, alpha {args.alpha:g}"
    for lang in [*sorted(set(rows) - {"all"}), "all"]:
        cells = []
        for measure in (lambda r: r <= 1, lambda r: r <= 10, lambda r: 1 / r):
            cells += [f"{100 * np.mean(measure(r[rows[lang]])):.1f}" for r in both]
        table.add_row(lang, str(len(rows[lang])), *cells, end_section=lang == "te")
    console.print(table)


if __name__ == "__main__":
    main()
