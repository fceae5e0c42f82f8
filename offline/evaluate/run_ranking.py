"""Exact search of an embed run, a shard at a time: what an index of it would find, before there is one."""

import asyncio
from collections.abc import Sequence

import numpy as np
from rich.console import Console

from app.bundle import Bundle, Side
from app.cores import usable_cores
from app.encoder import OnnxEncoder
from app.engines import Device
from app.errors import VerificationError
from app.vectors import Vectors
from offline.batches import BatchEmbedder
from offline.evaluate.ranking import Ranking, best_columns, unit
from offline.filling import FusedRun
from offline.progress import progress

_SCORES_AT_ONCE = 16_000_000  # of questions times passages; 64 MB
_QUESTIONS_AT_ONCE = 256
_BATCH_TOKENS = 512


async def embed_questions(bundle: Bundle, texts: Sequence[str], device: Device, console: Console) -> Vectors:
    """float32 [texts, dimension]; gives way now and then, so that Ctrl-C ends it.

    Raises:
        BundleError: the encoder cannot be opened.
        VerificationError: it yields values that are not finite.
    """
    cores = usable_cores()
    embedder = BatchEmbedder(
        OnnxEncoder(bundle, sides=(Side.QUERY,), device=device, callers=cores), cores, _BATCH_TOKENS
    )
    parts: list[Vectors] = []
    try:
        with progress(console, "embedding questions", len(texts), unit="texts") as advance:
            for start in range(0, len(texts), _QUESTIONS_AT_ONCE):
                part = texts[start : start + _QUESTIONS_AT_ONCE]
                parts.append(embedder.embed(part, Side.QUERY, lambda count: advance(count, count)))
                await asyncio.sleep(0)
    finally:
        embedder.close()
    vectors = np.concatenate(parts)
    if not np.isfinite(vectors).all():
        raise VerificationError("the encoder yields infinite values; export it as fp32")
    return vectors


async def rank_run(source: FusedRun, questions: Vectors, depth: int, console: Console) -> Ranking:
    """Search every passage for every question.

    Holds one shard, ``depth`` hits a question and 64 MB of scores at a time.

    Args:
        questions: float32 [questions, dimension].
        depth: hits per question; fewer where there are fewer passages.

    Returns:
        Its rows are those of the run's staging file.
    """
    is_cosine = source.manifest.encoder.similarity == "cosine"
    questions = unit(questions) if is_cosine else questions
    rows = np.empty((len(questions), 0), np.int64)
    scores = np.empty((len(questions), 0), np.float32)
    step = max(1, _SCORES_AT_ONCE // len(questions))
    with progress(console, "searching", source.manifest.report.passages) as advance:
        for number in range(source.manifest.shard_count):
            first = source.manifest.rows(number).start
            vectors = unit(source.vectors(number)) if is_cosine else source.vectors(number)
            for start in range(0, len(vectors), step):
                part = vectors[start : start + step]
                found = np.arange(first + start, first + start + len(part))
                # earlier passages stay to the left, so that equal scores stay in corpus order
                rows = np.hstack([rows, np.broadcast_to(found, (len(questions), len(part)))])
                scores = np.hstack([scores, questions @ part.T])
                best = best_columns(scores, min(depth, scores.shape[1]))
                rows, scores = np.take_along_axis(rows, best, axis=1), np.take_along_axis(scores, best, axis=1)
                await asyncio.sleep(0)
            advance(len(vectors), 0)
    return Ranking(rows, scores)
