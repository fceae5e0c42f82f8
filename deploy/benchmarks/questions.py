"""Real questions, shuffled by a seed and never sent twice."""

import gzip
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path

from offline.demo.corpus import QUERIES


def read_questions(path: Path | None, seed: int) -> list[str]:
    """Distinct questions, shuffled.

    Args:
        path: JSON lines with a field ``question`` or ``query``, gzipped if it ends in ``.gz``; or
            lines of generated queries; without one, the demo's 20,160 queries in seven languages.
        seed: of the shuffle; equal seeds give equal orders.
    """
    path = path or QUERIES
    opener = gzip.open if path.suffix == ".gz" else open
    texts: set[str] = set()
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            record = json.loads(line)
            found = [record[name] for name in ("question", "query") if isinstance(record.get(name), str)][:1]
            found += [text for group in record.get("generated_queries", {}).values() for text in group]
            if not found:
                raise SystemExit(f"error: {path}, line {number}: no field question, query or generated_queries")
            texts.update(found)
    ordered = sorted(texts)
    random.Random(seed).shuffle(ordered)  # noqa: S311, no secret
    return ordered


def endless(questions: list[str]) -> Iterator[str]:
    """Each question once, then each with the number of the lap behind it: no text comes twice."""
    for lap in itertools.count(1):
        yield from (text if lap == 1 else f"{text} {lap}" for text in questions)
