"""What no service over this encoder can beat: the raw engines, the raw search and the raw web server.

    python -m deploy.benchmarks.bound --bundle var/demo/bundle --corpus FOLDER --engines onnxruntime openvino

``service.py`` runs this in a process of its own, once a round.  Per engine: questions a second for
each number of one-thread callers and each batch size, on texts tokenized and sorted by length
beforehand; and one caller's tokenize + encode + search, one question after another.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console

from app.bundle import Bundle, Side
from app.cores import usable_cores
from app.encoder import OnnxEncoder, Tokens
from deploy.benchmarks.peers.corpus import Corpus
from deploy.benchmarks.peers.edge import fill_shard, search
from deploy.benchmarks.questions import endless, read_questions

Encode = Callable[[Sequence[Tokens]], Any]
"""Tokenized texts to float32 [n, dimension], on the caller's own thread."""

_SAMPLE = 2048
_WARM_UP_SHARE = 0.5
"""Of the seconds a cell takes, warming up."""


def onnxruntime_callers(bundle: Bundle, callers: int) -> list[Encode]:
    encoder = OnnxEncoder(bundle)
    return [lambda batch: encoder.encode(batch, Side.QUERY)] * callers


def openvino_callers(bundle: Bundle, callers: int) -> list[Encode]:
    """One inference request a caller, each on one thread.

    Not by way of the service's own engine: a bound that shared its options would share its faults.
    """
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_PRECISION_HINT": "f16",
        "NUM_STREAMS": str(callers),
        "INFERENCE_NUM_THREADS": str(callers),
    }
    compiled = core.compile_model(str(bundle.model_path(Side.QUERY)), "CPU", options)
    names = {name for node in compiled.inputs for name in node.get_names()}

    def caller() -> Encode:
        request = compiled.create_infer_request()

        def encode(batch: Sequence[Tokens]) -> Any:
            ids = np.full((len(batch), max(map(len, batch))), bundle.encoder.pad_token_id, np.int64)
            mask = np.zeros_like(ids)
            for row, tokens in enumerate(batch):
                ids[row, : len(tokens)] = tokens.ids
                mask[row, : len(tokens)] = 1
            feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            return request.infer({name: feeds[name] for name in feeds if name in names})["vector"]

        return encode

    made = [caller() for _ in range(callers)]
    for encode in made:  # two threads that make a process's first call at once can wait for each other for ever
        encode([Tokens([bundle.encoder.pad_token_id], False)])
    return made


ENGINES = {"onnxruntime": onnxruntime_callers, "openvino": openvino_callers}


def installed_engines() -> list[str]:
    return [name for name in ENGINES if find_spec(name)]


def batches(tokens: Sequence[Tokens], size: int) -> list[list[Tokens]]:
    """Neighbours in length together; the batches themselves in random order, so that any stretch is like any other."""
    ordered = sorted(tokens, key=len)
    cut = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    random.Random(0).shuffle(cut)  # noqa: S311, no secret
    return cut


def throughput(callers: list[Encode], work: list[list[Tokens]], seconds: float) -> dict[str, float]:
    """Questions a second, and the CPU seconds of one, with every caller on a thread of its own."""
    done = [0] * len(callers)
    deadline = time.perf_counter() + seconds

    def call(number: int) -> None:
        while time.perf_counter() < deadline:
            batch = work[(number + done_batches[number] * len(callers)) % len(work)]
            callers[number](batch)
            done[number] += len(batch)
            done_batches[number] += 1

    done_batches = [0] * len(callers)
    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(callers))]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"rate": sum(done) / took, "cpu_s": cpu / sum(done)}


def lone(
    encoder: OnnxEncoder, encode: Encode, shard: Any, questions: Iterator[str], seconds: float
) -> dict[str, float]:
    """Tokenize + encode + search, one after the other: seconds at the median and in the slowest hundredth."""
    latencies: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or not latencies:
        question = next(questions)
        began = time.perf_counter()
        search(shard, encode(encoder.tokenize([question], Side.QUERY))[0])
        latencies.append(time.perf_counter() - began)
    latencies.sort()
    return {"p50_s": median(latencies), "p99_s": latencies[int(0.99 * (len(latencies) - 1))]}


def search_cpu(shard: Any, vectors: Any, seconds: float) -> float:
    """CPU seconds of one search with its payload."""
    done, cpu = 0, time.process_time()
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        search(shard, vectors[done % len(vectors)])
        done += 1
    return (time.process_time() - cpu) / done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--corpus", type=lambda folder: Corpus(Path(folder)), required=True)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=installed_engines())
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 8, 16, 32])
    parser.add_argument("--seconds", type=float, default=3, help="for each cell of the grid")
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    bundle = Bundle.open(args.bundle)
    questions = read_questions(args.questions, args.seed)[:_SAMPLE]
    encoder = OnnxEncoder(bundle)
    tokens = encoder.tokenize(questions, Side.QUERY)
    progress = Console(stderr=True)
    found: dict[str, Any] = {"tokens": sum(map(len, tokens)) / len(tokens), "engines": {}}
    with tempfile.TemporaryDirectory() as folder:
        shard = fill_shard(args.corpus, Path(folder))
        found["search_cpu_s"] = search_cpu(shard, args.corpus.vectors, args.seconds)
        for engine in args.engines:
            grid = []
            for count in sorted({1, usable_cores()}):
                callers = ENGINES[engine](bundle, count)
                for size in args.batch_sizes:
                    work = batches(tokens, size)
                    throughput(callers, work, _WARM_UP_SHARE * args.seconds)
                    grid.append({"callers": count, "batch": size} | throughput(callers, work, args.seconds))
                    progress.print(f"{engine}, {count} x batch {size}: {grid[-1]['rate']:.0f}/s")
                if count == 1:
                    alone = lone(encoder, callers[0], shard, endless(questions), args.seconds)
            found["engines"][engine] = {"grid": grid, "lone": alone}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
