"""Published query files are untidy: mend what is harmless, refuse what would corrupt."""

from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from app.errors import InputError
from offline.queries import Mended, QueryLine, read_queries


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_tags_are_cleaned_empties_dropped_and_both_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "q.jsonl", '{"docid": "a", "generated_queries": {" ar": ["x ", "", " "], "TE": ["y"], "fi": []}}'
    )
    mended = Mended()
    assert list(read_queries(path, mended)) == [QueryLine(1, "a", {"ar": ["x"], "te": ["y"]}, {})]
    assert mended.counts == {"language tags with stray spaces or capitals": 2, "empty queries dropped": 2}


def test_two_spellings_of_one_tag_are_merged(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", '{"docid": "a", "generated_queries": {" ar": ["x"], "ar": ["y"]}}')
    assert list(read_queries(path, Mended())) == [QueryLine(1, "a", {"ar": ["x", "y"]}, {})]


@pytest.mark.parametrize("as_map", [False, True])
def test_parquet_structs_and_maps_are_read(tmp_path: Path, as_map: bool) -> None:
    queries = [{"ar": ["x"], "fi": None}, {"ar": None, "fi": ["y"]}]
    kind = pyarrow.map_(pyarrow.string(), pyarrow.list_(pyarrow.string())) if as_map else None
    values = [list(each.items()) for each in queries] if as_map else queries
    table = pyarrow.table({"docid": ["a", "b"], "generated_queries": pyarrow.array(values, type=kind)})
    parquet.write_table(table, tmp_path / "q.parquet")
    found = list(read_queries(tmp_path / "q.parquet", Mended()))
    assert found == [QueryLine(1, "a", {"ar": ["x"]}, {}), QueryLine(2, "b", {"fi": ["y"]}, {})]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"generated_queries": {"ar": ["x"]}}', "no docid"),
        ('{"docid": "b"}', "'b' has no generated_queries object"),
        ('{"docid": "b", "generated_queries": {"xx": ["x"]}}', "unknown language tag 'xx', known are ar, bn"),
        ('{"docid": "b", "generated_queries": {"ar": "x"}}', "the queries of 'ar' are no list of strings"),
        ('{"docid": "b", "generated_queries": {"ar": [1]}}', "no list of strings"),
        ('{"docid": "b", "gener', "is the file cut"),
        ('{"docid": "b", "generated_queries": ["one", "two"]}', "'b' has no generated_queries object"),
        ('{"docid": "b", "generated_queries": ["ab", "cd"]}', "'b' has no generated_queries object"),
    ],
)
def test_a_bad_line_is_named_with_file_and_number(tmp_path: Path, line: str, complaint: str) -> None:
    path = write(tmp_path / "q.jsonl", '{"docid": "a", "generated_queries": {"ar": ["x"]}}', line)
    with pytest.raises(InputError) as caught:
        list(read_queries(path, Mended()))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert complaint in str(caught.value)
