"""Corpus and queries are joined and checked before anything is embedded."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import InputError
from app.passages import Passage
from offline.digests import queries_digest_of
from offline.generate.generator import GeneratorIdentity
from offline.query_set import QuerySet
from offline.staging import StagingReport, field_type, read_staged, stage


def staged(
    tmp_path: Path, corpus: list[object], queries: list[object] | None = None, ignore_unmatched: bool = False
) -> StagingReport:
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(line) + "\n" for line in corpus))
    if queries is not None:
        (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries))
    return stage(
        tmp_path / "s.sqlite", tmp_path / "c.jsonl", tmp_path / "q.jsonl" if queries else None, ignore_unmatched
    )


def passage(docid: str, **more: object) -> dict[str, object]:
    return {"docid": docid, "text": f"text of {docid}", **more}


def test_passages_keep_their_order_and_get_their_queries(tmp_path: Path) -> None:
    report = staged(
        tmp_path,
        [passage("b"), passage("a")],
        [{"docid": "a", "generated_queries": {"ar": ["1", "2"]}}, {"docid": "b", "generated_queries": {"fi": ["3"]}}],
    )
    with sqlite3.connect(tmp_path / "s.sqlite") as database:
        rows = list(read_staged(database))
    database.close()
    assert [(row.docid, row.generated_queries) for row in rows] == [("b", {"fi": ["3"]}), ("a", {"ar": ["1", "2"]})]
    assert report.queries_per_language == {"ar": 2, "fi": 1}
    assert report.fewest_and_most == {"ar": (0, 2), "fi": (0, 1)}


def test_the_digests_tell_content_and_not_files(tmp_path: Path) -> None:
    first = staged(tmp_path, [{"docid": "a", "text": "x", "year": 1, "topic": "t"}])
    reordered = staged(tmp_path, [{"topic": "t", "year": 1, "text": "x", "docid": "a"}])
    changed = staged(tmp_path, [{"docid": "a", "text": "y", "year": 1, "topic": "t"}])
    assert first.corpus_digest == reordered.corpus_digest != changed.corpus_digest
    assert first.queries_digest is None


def test_the_queries_digest_is_of_the_queries_and_their_passages_alone(tmp_path: Path) -> None:
    queries: list[object] = [{"docid": "a", "generated_queries": {"fi": ["2"], "ar": ["1", "3"]}}]
    told = staged(tmp_path, [passage("a"), passage("b")], queries).queries_digest
    by_hand = [Passage("a", "", "", {}, {"ar": ["1", "3"], "fi": ["2"]}), Passage("b", "other", "words")]
    assert queries_digest_of(by_hand) == told
    assert queries_digest_of(by_hand[::-1]) != told
    assert queries_digest_of([replace(by_hand[0], generated_queries={"ar": ["3", "1"], "fi": ["2"]})]) != told


def test_a_repeated_docid_is_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"c\.jsonl:3: the docid 'a' was given before, in line 1"):
        staged(tmp_path, [passage("a"), passage("b"), passage("a")])


def test_queries_for_a_passage_that_is_not_there_are_refused(tmp_path: Path) -> None:
    queries: list[object] = [
        {"docid": "a", "generated_queries": {"ar": ["1"]}},
        {"docid": "z", "generated_queries": {"ar": ["1"]}},
    ]
    with pytest.raises(InputError, match=r"q\.jsonl:2: the corpus has no passage 'z'; .*--ignore-unmatched"):
        staged(tmp_path, [passage("a")], queries)
    report = staged(tmp_path, [passage("a")], queries, ignore_unmatched=True)
    assert report.mended == {"lines for passages that are not in the corpus, left out": 1}


def test_a_repeated_line_with_the_same_queries_is_counted_and_with_others_refused(tmp_path: Path) -> None:
    line = {"docid": "a", "generated_queries": {"ar": ["1"]}}
    assert staged(tmp_path, [passage("a")], [line, line]).mended == {"repeated lines with the same queries": 1}
    other = {"docid": "a", "generated_queries": {"ar": ["2"]}}
    with pytest.raises(InputError, match=r"q\.jsonl:2: other queries for 'a' were given in line 1"):
        staged(tmp_path, [passage("a")], [line, other])


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no passage"):
        staged(tmp_path, [])


def test_passages_whose_queries_are_all_empty_count_as_having_none(tmp_path: Path) -> None:
    report = staged(
        tmp_path,
        [passage("a"), passage("b")],
        [{"docid": "a", "generated_queries": {"ar": ["1"]}}, {"docid": "b", "generated_queries": {"ar": [""]}}],
    )
    assert (report.augmented_passages, report.without_queries) == (1, ["b"])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["x", "y"], "keyword"),
        ([["x"], ["y", "z"]], "keyword"),
        ([1, 2], "integer"),
        ([1, 2.5], "float"),
        ([True, False], "bool"),
        ([True], "bool"),
        ([[True, False], None], "bool"),
        ([{"inner": "x"}], None),
        ([["x", 1]], None),
        (["x", 1], None),
    ],
)
def test_a_fields_type_is_found_in_the_corpus(tmp_path: Path, values: list[object], kind: str | None) -> None:
    staged(
        tmp_path, [passage(str(number), **{"my field": value}) for number, value in enumerate(values)] + [passage("z")]
    )
    with sqlite3.connect(tmp_path / "s.sqlite") as database:
        assert field_type(database, "my field") == kind
        assert field_type(database, "absent") is None
    database.close()


def promise(folder: Path, digest: str, per_language: int = 2) -> None:
    described = QuerySet(
        generator=GeneratorIdentity(source="chat", model="m", revision="r", settings={}),
        languages=["ar", "te"],
        queries_per_language=per_language,
        passages=2,
        corpus_digest=digest,
        queries={},
        lacking={},
        tally={},
        created_at="2026-01-01T00:00:00+00:00",
    )
    (folder / "q.meta.json").write_text(described.model_dump_json())


def test_queries_are_held_against_what_their_sidecar_promises(tmp_path: Path) -> None:
    corpus: list[object] = [passage("a"), passage("b")]
    queries: list[object] = [
        {"docid": "a", "generated_queries": {"ar": ["1", "2"], "te": ["1"]}},
        {"docid": "b", "generated_queries": {"ar": ["1"]}, "filtered_out": {"ar": 1, "te": 1}},
    ]
    assert staged(tmp_path, corpus, queries).lacking == {}  # files made elsewhere promise nothing
    digest = staged(tmp_path, corpus).corpus_digest
    promise(tmp_path, digest)
    report = staged(tmp_path, corpus, queries)
    assert (report.lacking, report.lacking_examples) == ({"te": 2}, ["a (te)", "b (te)"])
    assert report.mended == {}
    promise(tmp_path, "of another corpus")
    assert "corpus that differs" in next(iter(staged(tmp_path, corpus, queries).mended))


def test_a_sidecar_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "q.meta.json").write_text("{}")
    with pytest.raises(InputError, match=r"q\.meta\.json cannot be read"):
        staged(tmp_path, [passage("a")], [{"docid": "a", "generated_queries": {"ar": ["1"]}}])
