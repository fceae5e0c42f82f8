"""Speed of `offline embed` beside the encoder alone and beside sentence-transformers, in one run.

    python deploy/benchmarks/embed.py --bundle var/demo/bundle --corpus var/demo/corpus.jsonl

Every contestant embeds the same texts, a sample of the demo's passages with all their generated
queries, and the repetitions are interleaved, so that a machine that slows down slows all.

- encoder alone: texts tokenized and cut into batches beforehand, one thread a core that does
  nothing but call the encoder.  Nothing that uses this encoder can be faster.
- embed: the whole of it, from opening the bundle to the last shard on disk.
- sentence-transformers: the checkpoint that the bundle was exported from, already loaded, with
  the same prefixes, limits, pooling and normalisation.  It needs the package, which is no
  dependency of this project; without it these rows are left out.

Rates are of the whole job: passages a second *while* their queries are embedded too.  CPU seconds
tell more than wall seconds where other processes use the machine.  "Inside the encoder" is the
share of their time that embed's encoder threads spend in the encoder's calls: of the loop from
the first batch to the last, and of the whole.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from rich.console import Console
from rich.table import Table

from app.bundle import Bundle, Side
from app.cores import usable_cores
from app.encoder import OnnxEncoder, Tokens
from app.vectors import Vectors
from offline import shard_embedder
from offline.batches import token_batches
from offline.demo.checkpoint import write_checkpoint
from offline.demo.corpus import QUERIES
from offline.embed import EmbedRequest, embed
from offline.run import Run
from offline.shard_embedder import sums_of
from offline.shards import read_shard
from offline.staging import read_staged, stage


@dataclass(slots=True)
class Contestant:
    """Something that embeds all texts: its name, how, and what each repetition took."""

    name: str
    run: Callable[[], None]
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def repeat(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.run()
        self.wall_s.append(time.perf_counter() - wall)
        self.cpu_s.append(time.process_time() - cpu)


@dataclass(frozen=True, slots=True)
class Sample:
    """Passages and their queries, as files and as texts in the order of a run's shards."""

    corpus: Path
    passages: list[str]
    queries: list[str]
    counts: Any
    """int32 [passages, languages]."""
    languages: list[str]


def draw(corpus: Path, passages: int, folder: Path) -> Sample:
    lines = corpus.read_text(encoding="utf-8").splitlines()
    chosen = random.Random(0).sample(lines, min(passages, len(lines)))  # noqa: S311, no secret
    part = folder / "corpus.jsonl"
    part.write_text("".join(line + "\n" for line in chosen), encoding="utf-8")
    report = stage(folder / "staging.sqlite", part, QUERIES, ignore_unmatched=True)
    languages = list(report.queries_per_language)
    run = Run(folder)
    with run.staging() as staging:
        staged = list(read_staged(staging))
    return Sample(
        corpus=part,
        passages=[passage.embedded_text for passage in staged],
        queries=[text for p in staged for code in languages for text in p.generated_queries.get(code, [])],
        counts=np.array([[len(p.generated_queries.get(c, [])) for c in languages] for p in staged], np.int32),
        languages=languages,
    )


def encoder_alone(
    encoder: OnnxEncoder, tokens: dict[Side, list[Tokens]], threads: int, batch_tokens: int
) -> Callable[[], None]:
    batches = [
        (side, [texts[index] for index in batch])
        for side, texts in tokens.items()
        for batch in token_batches(texts, batch_tokens)
    ]

    def run() -> None:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda batch: encoder.encode(batch[1], batch[0]), batches):
                pass

    return run


class TimedEncoder(OnnxEncoder):
    """Notes when each call began and ended."""

    calls: ClassVar[list[tuple[float, float]]] = []

    def encode(self, batch: Sequence[Tokens], side: Side) -> Vectors:
        began = time.perf_counter()
        try:
            return super().encode(batch, side)
        finally:
            self.calls.append((began, time.perf_counter()))


class WholeEmbed:
    """Embeds into a fresh folder each time."""

    def __init__(self, sample: Sample, bundle: Path, threads: int, folder: Path) -> None:
        self._request = EmbedRequest(sample.corpus, QUERIES, bundle, folder, ignore_unmatched=True, threads=threads)
        self._folder = folder
        self.shares: list[tuple[float, float]] = []
        """Inside the encoder, of the loop and of the whole."""

    def __call__(self) -> None:
        self.output = Path(tempfile.mkdtemp(dir=self._folder)) / "run"
        TimedEncoder.calls.clear()
        began = time.perf_counter()
        embed(replace(self._request, output=self.output), Console(quiet=True))
        ended = time.perf_counter()
        first, last = min(call[0] for call in TimedEncoder.calls), max(call[1] for call in TimedEncoder.calls)
        inside = sum(end - start for start, end in TimedEncoder.calls) / self._request.threads
        self.shares.append((inside / (last - first), inside / (ended - began)))

    def vectors(self) -> tuple[Vectors, Vectors]:
        """Of the last time: E(p), and the sums of E(q)."""
        run = Run(self.output)
        manifest = run.manifest()
        assert manifest is not None
        shards = [read_shard(run.shard_path(number)) for number in range(manifest.shard_count)]
        return np.concatenate([s.passages for s in shards]), np.concatenate([s.query_sums for s in shards])


def sentence_transformers(
    sample: Sample,
    checkpoint: Path,
    bundle: Bundle,
    args: argparse.Namespace,
    vectors: dict[Side, Vectors],
    console: Console,
) -> list[Contestant]:
    """One a batch size, none where it is not installed; ``vectors`` holds what the last one got."""
    try:
        import torch
        import transformers
        from sentence_transformers import SentenceTransformer, __version__
    except ImportError:
        return []
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(args.threads)
    model = SentenceTransformer(str(write_checkpoint(checkpoint)), device="cpu")
    console.print(f"sentence-transformers {__version__}, torch {torch.__version__}")
    identity = bundle.encoder

    def run(batch_size: int) -> None:
        for side, texts, prefix, limit in (
            (Side.PASSAGE, sample.passages, identity.passage_prefix, identity.passage_max_tokens),
            (Side.QUERY, sample.queries, identity.query_prefix, identity.query_max_tokens),
        ):
            model.max_seq_length = limit
            vectors[side] = model.encode(texts, prompt=prefix, batch_size=batch_size, show_progress_bar=False)

    return [Contestant(f"sentence-transformers, {size} at once", partial(run, size)) for size in args.peer_batch_sizes]


def lowest_cosine(ours: Vectors, theirs: Vectors) -> float:
    ours, theirs = (v.reshape(-1, v.shape[-1]) for v in (ours, theirs))
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((ours * theirs).sum(axis=1)[norms > 0] / norms[norms > 0]).min())


def show(contestants: list[Contestant], sample: Sample, console: Console) -> None:
    passages, queries = len(sample.passages), len(sample.queries)
    bound = min(statistics.median(c.wall_s) for c in contestants if c.name.startswith("encoder alone"))
    bound_cpu = min(statistics.median(c.cpu_s) for c in contestants if c.name.startswith("encoder alone"))
    table = Table("", "s", "from-to", "passages/s", "queries/s", "of the bound", "CPU s", "of the bound ")
    for contestant in contestants:
        wall, cpu = statistics.median(contestant.wall_s), statistics.median(contestant.cpu_s)
        table.add_row(
            contestant.name,
            f"{wall:.1f}",
            f"{min(contestant.wall_s):.1f}-{max(contestant.wall_s):.1f}",
            f"{passages / wall:.1f}",
            f"{queries / wall:.0f}",
            f"{bound / wall:.0%}",
            f"{cpu:.1f}",
            f"{bound_cpu / cpu:.0%}",
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("var/demo/bundle"))
    parser.add_argument("--corpus", type=Path, default=Path("var/demo/corpus.jsonl"))
    parser.add_argument("--passages", type=int, default=300)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[256, 512], help="of the encoder alone")
    parser.add_argument("--peer-batch-sizes", type=int, nargs="+", default=[8, 32])
    args = parser.parse_args()
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sample = draw(args.corpus, args.passages, folder)
        bundle = Bundle.open(args.bundle)
        encoder = OnnxEncoder(bundle, sides=tuple(Side))
        tokens = {
            Side.PASSAGE: encoder.tokenize(sample.passages, Side.PASSAGE),
            Side.QUERY: encoder.tokenize(sample.queries, Side.QUERY),
        }
        for side, texts in tokens.items():
            console.print(f"{len(texts):,} {side} texts, {sum(map(len, texts)) / len(texts):.1f} tokens on average")
        contestants = [
            Contestant(f"encoder alone, {budget} tokens", encoder_alone(encoder, tokens, args.threads, budget))
            for budget in args.batch_tokens
        ]
        shard_embedder.OnnxEncoder = TimedEncoder  # type: ignore[attr-defined]
        whole = WholeEmbed(sample, args.bundle, args.threads, folder)
        ours = Contestant("embed, with files", whole)
        contestants.append(ours)
        vectors: dict[Side, Vectors] = {}
        peers = sentence_transformers(sample, folder / "checkpoint", bundle, args, vectors, console)
        for _ in range(args.repetitions):
            for contestant in contestants + peers:
                contestant.repeat()
                Console(stderr=True).print(f"{contestant.name}: {contestant.wall_s[-1]:.1f} s")
        show(contestants + peers, sample, console)
        loop, all_of_it = np.median(whole.shares, axis=0)
        console.print(f"inside the encoder: {loop:.1%} of embed's loop, {all_of_it:.1%} of the whole")
        if not peers:
            console.print("sentence-transformers is not installed: no comparison with it")
            return
        fastest = min(statistics.median(p.wall_s) for p in peers), min(statistics.median(p.cpu_s) for p in peers)
        wall, cpu = fastest[0] / statistics.median(ours.wall_s), fastest[1] / statistics.median(ours.cpu_s)
        console.print(f"embed is {wall:.2f} times as fast as sentence-transformers, at {1 / cpu:.2f} of its CPU time")
        passages, sums = whole.vectors()
        lowest = (
            lowest_cosine(passages, vectors[Side.PASSAGE]),
            lowest_cosine(sums, sums_of(vectors[Side.QUERY], sample.counts)),
        )
        console.print(f"lowest cosine with its vectors: passages {lowest[0]:.6f}, sums of queries {lowest[1]:.6f}")


if __name__ == "__main__":
    main()
