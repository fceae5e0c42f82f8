"""txtai's own API over an index with its default settings, its vectors replaced by the corpus's."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
import yaml
from txtai import Embeddings

from deploy.benchmarks.peers.corpus import QUERY_PREFIX, Corpus, options


def build(corpus: Corpus, settings: dict[str, Any], folder: Path) -> None:
    """Index the passages without embedding them: every peer serves the same vectors."""
    embeddings = Embeddings(settings)
    rows = iter(corpus.vectors)
    embeddings.model.encode = lambda data, category=None: np.stack([next(rows) for _ in data])
    embeddings.index((payload["docid"], payload["text"], None) for payload in corpus.payloads)
    embeddings.save(str(folder))


def main() -> None:
    args = options()
    settings = {"path": str(args.model), "content": True, "instructions": {"query": QUERY_PREFIX, "data": "passage: "}}
    with tempfile.TemporaryDirectory() as scratch:
        build(args.corpus, settings, Path(scratch) / "index")
        config = Path(scratch) / "config.yml"
        config.write_text(yaml.safe_dump({"path": str(Path(scratch) / "index"), "embeddings": settings}))
        os.environ["CONFIG"] = str(config)
        uvicorn.run("txtai.api:app", port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
