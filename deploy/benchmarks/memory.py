"""Peak memory and disk of `offline embed` and `offline load` over a corpus and multiples of it.

    python deploy/benchmarks/memory.py --bundle var/demo/bundle --copies 1 4 --queries-per-language 1
    python deploy/benchmarks/memory.py --tiny-encoder --copies 1 4 16

Copies of the demo's corpus differ in their docids alone.  Memory that does not grow with the
corpus shows in the column "own MB": pages that belong to the process.  "MB" counts mapped files
too, such as the encoder's weights and the index, which the kernel drops when memory is wanted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from offline.demo.corpus import QUERIES
from offline.files import json_lines

ROOT = Path(__file__).parents[2]
_MB = 1e6
# in a process of its own: what this one holds in memory would count as its children's peak
_EXPORT_TINY = """
import sys
from pathlib import Path
from rich.console import Console
from offline.export.exporter import export
from offline.export.request import EmbeddingOptions, ExportRequest
from tests import tiny

folder = Path(sys.argv[1])
model = str(tiny.mbert(folder / "model"))
export(ExportRequest(model, model, folder / "bundle", options=EmbeddingOptions(pooling="mean")), Console(quiet=True))
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process took: peaks in bytes, and how long it ran."""

    resident: int
    own: int
    wall_s: float


def run(*arguments: object) -> Used:
    """Run ``python -m offline`` to its end and watch its memory."""
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603, this very Python
        [sys.executable, "-m", "offline", *map(str, arguments)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    own = 0
    status = Path(f"/proc/{process.pid}/status")
    while True:
        done, code, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            process.returncode = os.waitstatus_to_exitcode(code)
            break
        for line in status.read_text().splitlines():
            if line.startswith("RssAnon:"):
                own = max(own, int(line.split()[1]) * 1024)
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))} failed")
    return Used(usage.ru_maxrss * 1024, own, time.perf_counter() - began)


def copy_corpus(corpus: Path, copies: int, queries_per_language: int, folder: Path) -> tuple[Path, Path, int]:
    """``copies`` times the corpus and its queries, with docids of their own; and the number of passages."""
    copied, queries = folder / "corpus.jsonl", folder / "queries.jsonl"
    passages = 0
    with copied.open("w") as passages_file, queries.open("w") as queries_file:
        for copy in range(copies):
            for _, passage in json_lines(corpus):
                passages += 1
                passages_file.write(json.dumps(passage | {"docid": f"{passage['docid']}#{copy}"}) + "\n")
            for _, line in json_lines(QUERIES):
                kept = {code: texts[:queries_per_language] for code, texts in line["generated_queries"].items()}
                queries_file.write(json.dumps({"docid": f"{line['docid']}#{copy}", "generated_queries": kept}) + "\n")
    return copied, queries, passages


def size_of(path: Path) -> int:
    """Bytes on disk of a file or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("var/demo/bundle"))
    parser.add_argument("--tiny-encoder", action="store_true", help="instead of --bundle: random, 32 dimensions")
    parser.add_argument("--corpus", type=Path, default=Path("var/demo/corpus.jsonl"))
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--queries-per-language", type=int, default=2)
    parser.add_argument("--shard-size", type=int, default=512)
    parser.add_argument("--vector-dtype", default="float32")
    parser.add_argument("--no-load", action="store_true", help="embed alone")
    args = parser.parse_args()
    table = Table("", "passages", "stage", "s", "MB", "own MB", "disk, bytes a passage")
    with tempfile.TemporaryDirectory() as scratch:
        bundle = args.bundle.resolve()
        if args.tiny_encoder:
            subprocess.run([sys.executable, "-c", _EXPORT_TINY, scratch], cwd=ROOT, check=True)  # noqa: S603
            bundle = Path(scratch) / "bundle"
        for copies in args.copies:
            folder = Path(scratch) / str(copies)
            folder.mkdir()
            corpus, queries, passages = copy_corpus(args.corpus, copies, args.queries_per_language, folder)
            vectors, index = folder / "vectors", folder / "index"
            used = run(
                *("embed", "--corpus", corpus, "--queries", queries, "--bundle", bundle, "--output", vectors),
                *("--shard-size", args.shard_size, "--vector-dtype", args.vector_dtype),
            )
            disk = (
                f"shards {size_of(vectors / 'shards') / passages:,.0f}, "
                f"staging {size_of(vectors / 'staging.sqlite') / passages:,.0f}"
            )
            rows = [("embed", used, disk)]
            if not args.no_load:
                used = run("load", "--vectors", vectors, "--index", f"edge:{index}")
                rows.append(("load", used, f"index {size_of(index) / passages:,.0f}"))
            for stage, used, disk in rows:
                table.add_row(
                    f"{copies}x",
                    f"{passages:,}",
                    stage,
                    f"{used.wall_s:.0f}",
                    f"{used.resident / _MB:,.0f}",
                    f"{used.own / _MB:,.0f}",
                    disk,
                )
            Console(stderr=True, width=120).print(f"{copies}x is done")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
