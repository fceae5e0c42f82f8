"""A generation on disk: what is asked for, and what is done, block by block.

The folder holds ``generation.json`` (what the queries are made of), ``staging.sqlite`` (the
checked corpus) and ``blocks/``: the ledger.  A block is a few consecutive passages; its file
tells for each passage and language which queries are there and why others are not.  It is
written aside and renamed, so a killed run loses the blocks that it was at, and no other.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import RunConflict
from app.passages import Passage
from offline import locks
from offline.files import write_atomically
from offline.generate.generator import GeneratorIdentity
from offline.staging import open_staging, read_staged

MANIFEST = "generation.json"
STAGING = "staging.sqlite"


class GenerationManifest(BaseModel):
    """The content of ``generation.json``, written before the first block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    generator: GeneratorIdentity
    languages: list[str]
    queries_per_language: int
    corpus_sha256: str
    """Of the file's bytes, to know on a resume that the input is the same."""
    corpus_digest: str
    """Of its content."""
    passages: int
    block_size: int
    """Passages per block."""

    @property
    def block_count(self) -> int:
        return -(-self.passages // self.block_size)

    def rows(self, block: int) -> range:
        """The rows of a block in the staging file."""
        start = block * self.block_size
        return range(start, min(start + self.block_size, self.passages))


@dataclass(slots=True)
class Cell:
    """The queries of one passage in one language."""

    queries: list[str] = field(default_factory=list)
    drawn: int = 0
    """How many were asked for."""
    problem: str = ""
    """Why there are fewer than wanted."""


Cells = dict[str, Cell]
"""Language code to cell."""


@dataclass(slots=True)
class Block:
    """What a block's file tells: the cells of its passages, in corpus order, and what they took."""

    docids: list[str]
    cells: list[Cells]
    tally: Counter[str] = field(default_factory=Counter)

    def lacking(self, manifest: GenerationManifest) -> Iterator[tuple[int, str]]:
        """Passage and language of every cell with too few queries."""
        for number, cells in enumerate(self.cells):
            for code in manifest.languages:
                if code not in cells or len(cells[code].queries) < manifest.queries_per_language:
                    yield number, code


class Generation:
    """A generation's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def staging_path(self) -> Path:
        return self.folder / STAGING

    def manifest(self) -> GenerationManifest | None:
        """The generation in this folder, None where none was begun.

        Raises:
            RunConflict: the folder holds something else.
        """
        path = self.folder / MANIFEST
        if not path.is_file():
            locks.refuse_strangers(self.folder, {STAGING, f"{STAGING}-journal", "blocks", "source"})
            return None
        try:
            return GenerationManifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise RunConflict(f"{path} is from another version of xQG; give another folder") from error

    def begin(self, manifest: GenerationManifest) -> None:
        (self.folder / "blocks").mkdir(exist_ok=True)
        write_atomically(self.folder / MANIFEST, manifest.model_dump_json(indent=1))

    def passages(self, rows: range) -> list[Passage]:
        with open_staging(self.staging_path) as staging:
            return list(read_staged(staging, rows.start, rows.stop))

    def block_path(self, number: int) -> Path:
        return self.folder / "blocks" / f"{number:07d}.jsonl"

    def read_block(self, manifest: GenerationManifest, number: int) -> Block | None:
        """What is done of a block; None where nothing is.

        Raises:
            RunConflict: its file is not what was written.
        """
        path = self.block_path(number)
        try:
            with path.open(encoding="utf-8", newline="\n") as file:
                head, *records = (json.loads(line) for line in file)
            docids = [str(record["docid"]) for record in records]
            if head["block"] != _seal(manifest.rows(number), docids):
                raise ValueError("another block")
            cells = [{code: Cell(**cell) for code, cell in record["cells"].items()} for record in records]
            return Block(docids, cells, Counter(head["tally"]))
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise RunConflict(
                f"{path} is damaged; remove it and run the same command again, its queries are made anew"
            ) from error

    def write_block(self, manifest: GenerationManifest, number: int, block: Block) -> None:
        head = {"block": _seal(manifest.rows(number), block.docids), "tally": block.tally}
        lines: list[object] = [head]
        lines += [
            {"docid": docid, "cells": {code: asdict(cell) for code, cell in cells.items()}}
            for docid, cells in zip(block.docids, block.cells, strict=True)
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_atomically(self.block_path(number), text)

    def remove_partials(self, blocks: range) -> None:
        """Remove what killed processes left of these blocks; nobody may be writing them."""
        for partial in (self.folder / "blocks").glob("*.partial"):
            number = partial.name.partition(".")[0]
            if number.isdecimal() and int(number) in blocks:
                partial.unlink(missing_ok=True)

    def blocks_there(self) -> int:
        """How many blocks have a file, without a look inside."""
        return sum(1 for entry in os.scandir(self.folder / "blocks") if entry.name.endswith(".jsonl"))

    def unfinished(self, manifest: GenerationManifest, blocks: Sequence[int]) -> list[int]:
        """Those of ``blocks`` that are not there, or lack queries."""
        found = []
        for number in blocks:
            block = self.read_block(manifest, number)
            if block is None or next(block.lacking(manifest), None) is not None:
                found.append(number)
        return found


def _seal(rows: range, docids: Sequence[str]) -> str:
    """The rows of a block and a digest of its docids: a file cut short or in another's place is known."""
    return f"{rows.start}:{rows.stop} {hashlib.sha256(json.dumps(list(docids)).encode()).hexdigest()[:16]}"
