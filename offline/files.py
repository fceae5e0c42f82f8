"""Read corpora and query files line by line; write files that are whole or not there."""

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError, InputError


def suffix_of(path: Path) -> str:
    """The suffix under a ``.gz``: ``corpus.jsonl.gz`` -> ``.jsonl``.

    Raises:
        ConfigurationError: there is no such file.
    """
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}")
    return Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower()


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of every line, plain or gzip, UTF-8 with or without a mark.

    Raises:
        InputError: the gzip stream is cut or damaged, or a line is not UTF-8.
    """
    number = 0
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        try:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError.at(path, number, "the line is not UTF-8", "convert the file to UTF-8") from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError.at(path, number + 1, "the gzip file is cut or damaged", "fetch it again") from error


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of every line that is not blank.

    Raises:
        InputError: a line is no JSON object.
    """
    for number, line in lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"the line is not JSON ({error.msg} at column {error.colno})"
            raise InputError.at(path, number, problem, "is the file cut? mend or drop the line") from error
        if not isinstance(record, dict):
            raise InputError.at(path, number, "the line is JSON but no object", 'write {"docid": ...}')
        yield number, record


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number (from 1) and content of every row, a row group at a time.

    Raises:
        InputError: the file is no Parquet file.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        number = 0
        for batch in file.iter_batches(batch_size=1024):
            for record in batch.to_pylist():
                number += 1
                yield number, record
    except pyarrow.ArrowException as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}; fetch it again") from error


def write_atomically(path: Path, content: str) -> None:
    """Write a file that is either whole and on disk, or not there."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
