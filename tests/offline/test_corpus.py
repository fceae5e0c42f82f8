"""Corpora come in several shapes and with mistakes."""

import gzip
import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from app.errors import ConfigurationError, InputError
from app.passages import Passage
from offline.corpus import read_corpus


def passages(path: Path) -> list[Passage]:
    return [passage for _, passage in read_corpus(path)]


def test_jsonl_keeps_further_keys_as_metadata(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text(
        '{"docid": "a", "title": "T", "text": "x", "topic": "Arts", "year": 1999}\n\n{"docid": 7, "text": "y"}\n'
    )
    assert passages(path) == [Passage("a", "T", "x", {"topic": "Arts", "year": 1999}), Passage("7", "", "y", {})]


def test_generated_queries_in_the_corpus_are_no_metadata(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"docid": "a", "text": "x", "generated_queries": {"ar": ["q"]}}\n')
    assert passages(path)[0].metadata == {}


def test_beir_lines_give_id_and_nested_metadata(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"_id": "d1", "title": "T", "text": "x", "metadata": {"url": "u"}}\n')
    assert passages(path) == [Passage("d1", "T", "x", {"url": "u"})]


def test_tsv_is_read_with_and_without_header_and_with_quotes(tmp_path: Path) -> None:
    path = tmp_path / "corpus.tsv"
    path.write_text('id\ttext\ttitle\n1\t"He said ""no""\tand left"\tT\n2\tplain\tU\n')
    assert passages(path) == [Passage("1", "T", 'He said "no"\tand left'), Passage("2", "U", "plain")]
    path.write_text("1\tplain\n")
    assert passages(path) == [Passage("1", "", "plain")]


def test_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "corpus.parquet"
    table = pyarrow.table({"docid": ["a", "b"], "title": ["T", None], "text": ["x", "y"], "year": [1, None]})
    parquet.write_table(table, path)
    assert passages(path) == [Passage("a", "T", "x", {"year": 1}), Passage("b", "", "y")]


def test_gzip_is_read_and_line_numbers_count_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write('{"docid": "a", "text": "x"}\n\n{"docid": "b", "text": "y"}\n')
    assert [number for number, _ in read_corpus(path)] == [1, 3]


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"docid": "a", "text": "x"}).encode())
    assert passages(path)[0].docid == "a"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "no object"),
        ('{"text": "x"}', "no docid"),
        ('{"docid": "", "text": "x"}', "no docid"),
        ('{"docid": "b"}', "'b' has no text"),
        ('{"docid": "b", "text": "  "}', "'b' has no text"),
        ('{"docid": "b", "text": 5}', "'b' has no text"),
        ('{"docid": "b", "text": "x", "title": ["T"]}', "title of 'b' is no string"),
        ('{"docid": "b", "te', "is the file cut"),
        ('{"docid": "b", "text": "x", "n": NaN}', "NaN is no number"),
        ('{"docid": "b", "text": "x", "n": 1e999}', "no finite number"),
        ('{"docid": "b", "text": "half \\ud800"}', "half a surrogate pair"),
        ('{"docid": "b", "text": "x", "n": ' + "9" * 5000 + "}", "cannot be stored"),
        ('{"docid": "b", "text": "x", "n": ' + "[" * 100_000 + "}", "cannot be stored"),
    ],
)
def test_a_bad_line_is_named_with_file_and_number(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"docid": "a", "text": "x"}\n' + line + "\n")
    with pytest.raises(InputError) as caught:
        passages(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert complaint in str(caught.value)


def test_a_cut_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl.gz"
    whole = gzip.compress(b"".join(b'{"docid": "%d", "text": "x"}\n' % n for n in range(5000)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"corpus\.jsonl\.gz:\d+: the gzip file is cut or damaged; fetch it again"):
        passages(path)


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b'{"docid": "a", "text": "x"}\n{"docid": "b", "text": "\xff"}\n')
    with pytest.raises(InputError, match=r":2: the line is not UTF-8"):
        passages(path)


def test_a_tsv_header_names_the_columns_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "corpus.tsv"
    path.write_text("_id\ttitle\ttext\n1\tT\tplain\n")
    assert passages(path) == [Passage("1", "T", "plain")]


@pytest.mark.parametrize("line", ['2\t"never closed', '2\t"closed" and on'])
def test_a_tsv_quote_that_is_not_closed_swallows_nothing(tmp_path: Path, line: str) -> None:
    path = tmp_path / "corpus.tsv"
    path.write_text(f"1\tx\n{line}\n3\ty\n4\tz\n")
    with pytest.raises(InputError, match=r":2: .*quote.* double each quote"):
        passages(path)


def test_queries_in_a_corpus_are_not_dropped_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"docid": "a", "text": "x", "generated_queries": {"ar": ["q"]}}\n')
    with pytest.raises(InputError, match=r":1: the corpus carries generated queries.*--queries too"):
        list(read_corpus(path, with_queries=False))


def test_a_gzip_file_without_its_suffix_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(gzip.compress(b'{"docid": "a", "text": "x"}\n'))
    with pytest.raises(InputError, match=r"give it a name that ends in \.gz"):
        passages(path)


def test_a_tsv_line_with_too_many_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "corpus.tsv"
    path.write_text("1\tx\tT\n2\tx\tT\textra\n")
    with pytest.raises(InputError, match=r":2: the line has 4 columns"):
        passages(path)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "corpus.parquet"
    path.write_text("nonsense")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        passages(path)


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.docx"
    path.write_text("x")
    with pytest.raises(ConfigurationError, match=r"give \.jsonl, \.parquet or, for a corpus, \.tsv"):
        passages(path)
    with pytest.raises(ConfigurationError, match="there is no file"):
        passages(tmp_path / "missing.jsonl")
