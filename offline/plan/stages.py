"""What each stage takes: every figure with the arithmetic that it is the result of."""

from dataclasses import dataclass
from typing import Literal

from offline.plan.arithmetic import Number, n
from offline.plan.workload import Rates, Workload

Unit = Literal["", "s", "bytes", "$", "$ a month"]

# measured, see deploy/SIZING.md
_STAGING_OVERHEAD = 1.34
"""Of the staging file over the lines that went in."""
_PAYLOAD_OVERHEAD = 0.84
"""Of Qdrant's payload file, which is compressed, over the same lines."""
_FIXED_BYTES = 810_000_000
"""Python, its packages, two tokenizers of 250,000 pieces, and what ONNX Runtime works in."""

_VOCABULARY = 250_002
_LAYERS = 12
_GENERATOR_PARAMETERS = 582_401_280
"""Of mT5-base."""
_SHARDS_IN_FLIGHT = 4
_FLOAT32, _FLOAT16, _INT8, _COUNT, _LINK = 4, 2, 1, 4, 4
"""Bytes."""
_GB = 1_000_000_000
_HOURS_A_MONTH = 730


@dataclass(frozen=True, slots=True)
class Figure:
    """A result and the arithmetic that it came from."""

    what: str
    number: Number
    unit: Unit
    note: str = ""


def stages(work: Workload, rates: Rates, workers: int) -> dict[str, list[Figure]]:
    """Figures of generate, embed, load and serving, and of the first three together."""
    serve = _serve(work, rates)
    (memory,) = (figure.number.result for figure in serve if figure.what == "memory, most")
    build = {
        "generate": _generate(work, rates, workers),
        "embed": _embed(work, rates, workers),
        "load": _load(work, rates, memory),
    }
    return {**build, "serve": serve, "in all": [_in_all(build, "time", "s"), _in_all(build, "cost", "$")]}


def _generate(work: Workload, rates: Rates, workers: int) -> list[Figure]:
    queries = n(work.passages) * work.languages * work.queries_per_language
    busy = queries.result / rates.generate.value
    return [
        Figure("queries", queries, ""),
        Figure("work", busy, "s", "of one worker"),
        Figure("time", busy.result / workers, "s", f"workers: {workers:,}"),
        Figure("cost", busy.result / 3600 * rates.worker_price.value, "$"),
        Figure("memory", n(_GENERATOR_PARAMETERS) * _FLOAT32, "bytes", "a worker: weights of mT5-base, fp32"),
        Figure("disk", queries.result * work.query_bytes, "bytes", "the queries file, uncompressed"),
    ]


def _embed(work: Workload, rates: Rates, workers: int) -> list[Figure]:
    texts_each = n(1) + work.queries_per_passage
    tokens = n(work.passages) * (n(work.passage_tokens) + n(work.queries_per_passage) * work.query_tokens)
    lines = _lines(work)
    staged = lines.result / rates.stage.value
    busy = tokens.result / rates.embed.value
    matrices = n(_LAYERS) * 12 * work.dimension * work.dimension
    pieces = n(_VOCABULARY) * work.dimension
    in_flight = n(_SHARDS_IN_FLIGHT) * work.shard_size * (texts_each + work.languages) * work.dimension
    values = (n(1) + work.languages) * work.dimension
    counts = n(work.languages) * _COUNT
    return [
        Figure("tokens", tokens, ""),
        Figure("staging", staged, "s", "one worker, for all"),
        Figure("work", busy, "s", "of one worker"),
        Figure("time", staged.result + busy.result / workers, "s", f"workers: {workers:,}"),
        Figure("cost", (staged.result + busy.result) / 3600 * rates.worker_price.value, "$"),
        Figure(
            "memory",
            n(_FIXED_BYTES) + matrices * _FLOAT32 + in_flight * _FLOAT32,
            "bytes",
            "a worker: fixed, matrices, four shards in flight; it does not grow with the corpus",
        ),
        Figure("mapped weights", (pieces + matrices) * _FLOAT32, "bytes", "one copy for all workers of a machine"),
        Figure("disk, staging", lines.result * _STAGING_OVERHEAD, "bytes"),
        Figure(
            "disk, shards", n(work.passages) * (values * _FLOAT32 + counts), "bytes", "a vector and a sum a language"
        ),
        Figure("disk, float16 shards", n(work.passages) * (values * _FLOAT16 + counts), "bytes"),
        Figure(
            "all vectors",
            n(work.passages) * texts_each * work.dimension * _FLOAT32,
            "bytes",
            "what is never written; the reference pipeline's pickles of them take 2.5 TB for 18 million passages",
        ),
    ]


def _load(work: Workload, rates: Rates, memory: Number) -> list[Figure]:
    written, linked = n(work.passages) / rates.load.value, n(work.passages) / rates.link.value
    time = written.result + linked.result
    return [
        Figure("writing", written, "s"),
        Figure("building the graph", linked, "s"),
        Figure("time", time, "s", "one index on one machine"),
        Figure(
            "cost",
            time.result / 3600 * (memory / _GB).result * rates.memory_price.value,
            "$",
            "all vectors in memory, as below",
        ),
    ]


def _serve(work: Workload, rates: Rates) -> list[Figure]:
    values = n(work.passages) * work.dimension
    full, quantised = values * _FLOAT32, values * _INT8
    levels = n(2) * work.links + n(work.links) / (n(work.links) - 1)
    graph = n(work.passages) * levels * _LINK
    payload = _lines(work).result * _PAYLOAD_OVERHEAD
    least = quantised.result + graph.result
    disk = full.result + least.result + payload.result
    in_memory, on_disk = (least / _GB).result, (disk / _GB).result
    return [
        Figure("vectors, float32", full, "bytes"),
        Figure("vectors, float16", values * _FLOAT16, "bytes"),
        Figure("vectors, int8", quantised, "bytes", "scalar quantisation; the originals on disk, for rescoring"),
        Figure("graph", graph, "bytes", "at most: 2 m links on the lowest level, m above; stored compressed"),
        Figure("payload", payload, "bytes", "passages with their queries"),
        Figure("memory, least", least, "bytes", "int8 vectors and graph"),
        Figure("memory, most", full.result + graph.result, "bytes", "float32 vectors and graph"),
        Figure("disk", disk, "bytes", "float32 and int8 vectors, graph and payload"),
        Figure(
            "cost",
            in_memory * rates.memory_price.value * _HOURS_A_MONTH + on_disk * rates.disk_price.value,
            "$ a month",
            "one replica: the least memory, and the disk",
        ),
    ]


def _lines(work: Workload) -> Number:
    """Bytes of the corpus and queries files."""
    return n(work.passages) * (n(work.passage_bytes) + n(work.queries_per_passage) * work.query_bytes)


def _in_all(build: dict[str, list[Figure]], what: str, unit: Unit) -> Figure:
    first, *others = (figure.number.result for figures in build.values() for figure in figures if figure.what == what)
    return Figure(what, sum(others, first), unit, "generate, embed and load, one after the other")
