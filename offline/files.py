"""Read corpora and query files line by line; write files that are whole or not there."""

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

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
            if number == 1 and line.startswith(b"\x1f\x8b"):
                raise InputError(f"{path} is a gzip file; give it a name that ends in .gz") from error
            raise InputError.at(path, number, "the line is not UTF-8", "convert the file to UTF-8") from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError.at(path, number + 1, "the gzip file is cut or damaged", "fetch it again") from error


def records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and content of every record of a JSON-lines or Parquet file.

    Raises:
        InputError: a record cannot be read.
        ConfigurationError: the file is missing or of another kind.
    """
    suffix = suffix_of(path)
    if suffix in (".jsonl", ".json", ".ndjson"):
        return json_lines(path)
    if suffix == ".parquet":
        return parquet_rows(path)
    raise ConfigurationError(f"{path}: unknown kind of file; give .jsonl, .parquet or, for a corpus, .tsv")


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of every line that is not blank.

    Raises:
        InputError: a line is no JSON object, or holds what no index can store (NaN, half a
            surrogate pair).
    """
    for number, line in lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_constant=_refuse_constant)
            if "\\ud" in line.lower():  # an escape may be half a surrogate pair
                json.dumps(record, ensure_ascii=False).encode()
        except json.JSONDecodeError as error:
            problem = f"the line is not JSON ({error.msg} at column {error.colno})"
            raise InputError.at(path, number, problem, "is the file cut? mend or drop the line") from error
        except UnicodeEncodeError as error:
            raise InputError.at(path, number, "the text holds half a surrogate pair", "mend the escape") from error
        except (ValueError, RecursionError) as error:
            problem = f"the line cannot be stored ({str(error)[:80]})"
            raise InputError.at(path, number, problem, "mend or drop the line") from error
        if not isinstance(record, dict):
            raise InputError.at(path, number, "the line is JSON but no object", 'write {"docid": ...}')
        yield number, record


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number that an index stores")


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number (from 1) and content of every row, a row group at a time.

    Raises:
        InputError: the file is no Parquet file.
    """
    if path.suffix == ".gz":
        raise ConfigurationError(f"{path}: Parquet is compressed inside; unpack the .gz")
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
    with atomic_writer(path) as file:
        file.write(content)


@contextmanager
def atomic_writer(path: Path) -> Iterator[TextIO]:
    """A file to write that takes its name when it is whole and on disk.

    The name beside it is the process's own: two that write the same file do not mix.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
