"""The passages and vectors that every peer serves, and the options that every peer takes."""

import argparse
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

TOP_K = 10
QUERY_PREFIX = "query: "


class Question(BaseModel):
    query: str


@dataclass(frozen=True)
class Corpus:
    """A folder with ``passages.jsonl`` and ``vectors.npy``, one row a passage."""

    folder: Path

    @cached_property
    def payloads(self) -> list[dict[str, Any]]:
        """docid, title and text of each passage."""
        with (self.folder / "passages.jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    @cached_property
    def vectors(self) -> Any:
        """float32 [passages, dimension], normalised."""
        return np.load(self.folder / "vectors.npy")


def options() -> argparse.Namespace:
    """``port``, ``model`` (a folder that the peer can load) and ``corpus``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--corpus", type=lambda folder: Corpus(Path(folder)), required=True)
    return parser.parse_args()
