"""The filter drops what breaks a rule, then what is least like its passage, and counts all of it."""

import json
import sqlite3
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from app.bundle import Bundle
from app.errors import ConfigurationError, InputError, RunConflict
from app.passages import Passage
from offline.filter.job import FilterRequest, filter_queries
from offline.filter.rules import fault_of, key_of
from offline.filter.scores import margins
from offline.filter.verdicts import Verdict, Verdicts
from offline.generate.generator import GeneratorIdentity
from offline.query_set import QuerySet, read_sidecar, sidecar_path
from offline.staging import stage
from tests.conftest import SmallCorpus

QUIET = Console(quiet=True)
NILE = Passage("nile", "Nile", "The Nile is a river in Africa. It flows to the north.")


@pytest.mark.parametrize(
    ("query", "script", "fault"),
    [
        ("أين يقع نهر النيل؟", "Arab", None),
        ("ما هو Nile River؟", "Arab", None),
        ("Where is the Nile?", "Arab", "wrong language"),
        ("Где находится Нил?", "Arab", "wrong language"),
        ("নীল নদ কোথায়?", "Beng", None),
        ("Missä Niili virtaa?", "Latn", None),
        ("Where does the Nile flow to?", "Latn", "wrong language"),
        ("Где находится Нил?", "Latn", "wrong language"),
        ("ナイル川はどこにありますか？", "Jpan", None),
        ("『The Elder Scrolls III: Morrowind』の時代背景は？", "Jpan", None),
        ("尼罗河在哪里？", "Jpan", "wrong language"),
        ("나일강은 어디에 있나요?", "Kore", None),
        ("Где находится Нил?", "Cyrl", None),
        ("నైలు నది ఎక్కడ ఉంది?", "Telu", None),
        ("2019", "Telu", "wrong language"),
        ("  ", "Arab", "empty"),
        ("?!", "Cyrl", "wrong language"),
    ],
)
def test_a_query_is_in_the_language_asked_for(query: str, script: str, fault: str | None) -> None:
    assert fault_of(query, script, NILE, set()) == fault


def test_repeats_are_known_whatever_their_case_and_punctuation() -> None:
    assert fault_of("ГДЕ находится Нил", "Cyrl", NILE, {key_of("Где находится «Нил»?")}) == "repeated"


def test_a_copy_of_the_passage_is_no_query() -> None:
    kuopio = Passage("k", "Kuopio", "Kuopio on kaupunki Suomessa.")
    assert fault_of("kuopio on kaupunki", "Latn", kuopio, set()) == "copied from the passage"
    assert fault_of("Missä Kuopio on?", "Latn", kuopio, set()) is None


def test_a_margin_is_the_lead_over_the_nearest_other_passage() -> None:
    queries = np.array([[2, 0], [0, 1], [1, 0]], np.float32)
    own = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    sample = np.array([[1, 0], [0, 3]], np.float32)
    is_own = np.array([[True, False], [True, False], [False, False]])
    np.testing.assert_allclose(margins(queries, own, sample, is_own, cosine=False), [2 - 0, 0 - 3, 0 - 1])
    np.testing.assert_allclose(margins(queries, own, sample, is_own, cosine=True), [1 - 0, 0 - 1, 0 - 1])
    alone = margins(queries[:1], own[:1], sample[:1], is_own[:1, :1], cosine=False)
    np.testing.assert_allclose(alone, [2])  # nothing to lead over


@pytest.mark.parametrize(("share", "kept"), [(1.0, 10), (0.5, 5), (0.31, 4), (0.3, 3), (0.05, 1)])
def test_a_threshold_keeps_the_best_share_of_a_language(tmp_path: Path, share: float, kept: int) -> None:
    scores = np.random.default_rng(0).permutation(10).tolist()
    with Verdicts.open(tmp_path / "v.sqlite", "s") as verdicts:
        verdicts.add([Verdict(row, "ar", 0, None, float(score)) for row, score in enumerate(scores)], 10)
        verdicts.add([Verdict(row, "fi", 0, None, 100.0) for row in range(10)], 10)
        verdicts.add([Verdict(row, "ar", 1, "empty", None) for row in range(10)], 10)
        threshold = verdicts.threshold("ar", share)
    assert sum(score >= threshold for score in scores) == kept


def query_set(small_corpus: SmallCorpus, folder: Path, **changes: object) -> Path:
    """The demo's queries with a sidecar, and what ``changes`` puts in the place of some."""
    path = folder / "queries.jsonl"
    lines = [json.loads(line) for line in small_corpus.queries.read_text().splitlines()]
    for number, replacement in enumerate(changes.values()):
        lines[number]["generated_queries"] |= replacement
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = stage(folder / "s.sqlite", small_corpus.corpus, path)
    described = QuerySet(
        generator=GeneratorIdentity(source="chat", model="m", revision="r", settings={}),
        languages=list(report.queries_per_language),
        queries_per_language=2,
        passages=report.passages,
        corpus_digest=report.corpus_digest,
        queries=report.queries_per_language,
        lacking={},
        tally={},
        created_at="2026-01-01T00:00:00+00:00",
    )
    sidecar_path(path).write_text(described.model_dump_json())
    return path


def read(folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    return {line["docid"]: line for line in map(json.loads, (folder / "queries.jsonl").read_text().splitlines())}


def test_rules_alone_drop_what_breaks_them_and_the_counts_say_why(small_corpus: SmallCorpus, tmp_path: Path) -> None:
    queries = query_set(
        small_corpus,
        tmp_path,
        first={"ar": ["What is this?", "ما هذا؟"], "ja": ["これは何ですか？", "これは何ですか"]},
        second={"ru": ["Где?", "Где?"], "te": ["ఎక్కడ ఉంది?", "123"]},
    )
    filter_queries(FilterRequest(small_corpus.corpus, queries, tmp_path / "out"), QUIET)
    found = list(read(tmp_path / "out").values())
    stays = [line for line in found if line["filtered_out"]]
    assert sorted(str(sorted(line["filtered_out"].items())) for line in stays) == [
        "[('ar', 1), ('ja', 1)]",
        "[('ru', 1), ('te', 1)]",
    ]
    described = read_sidecar(tmp_path / "out" / "queries.jsonl")
    assert described is not None
    assert described.filter is not None
    assert described.filter.dropped == {
        "ar": {"wrong language": 1},
        "ja": {"repeated": 1},
        "ru": {"repeated": 1},
        "te": {"wrong language": 1},
    }
    report = stage(tmp_path / "again.sqlite", small_corpus.corpus, tmp_path / "out" / "queries.jsonl")
    assert report.lacking == {}  # dropped on purpose is not missing


def test_scores_drop_queries_of_another_passage_first(
    demo_bundle: Bundle, small_corpus: SmallCorpus, tmp_path: Path
) -> None:
    docids = small_corpus.docids
    given = [json.loads(line) for line in small_corpus.queries.read_text().splitlines()]
    swapped = {"ko": [given[0]["generated_queries"]["ko"][0], given[7]["generated_queries"]["ko"][0]]}
    queries = query_set(small_corpus, tmp_path, first=swapped)
    request = FilterRequest(small_corpus.corpus, queries, tmp_path / "out", demo_bundle.folder, keep_share=0.8)
    filter_queries(request, QUIET)
    found = read(tmp_path / "out")
    assert found[given[0]["docid"]]["generated_queries"]["ko"] == swapped["ko"][:1]
    assert all(line["generated_queries"].keys() >= {"ar", "ko", "te"} for line in found.values())  # none goes bare
    kept = sum(len(texts) for line in found.values() for texts in line["generated_queries"].values())
    assert 0.8 * 14 * len(docids) <= kept < 0.95 * 14 * len(docids)


def test_a_filter_goes_on_where_it_was_and_comes_to_the_same(
    demo_bundle: Bundle, small_corpus: SmallCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("offline.filter.job._PASSAGES_AT_ONCE", 16)
    queries = query_set(small_corpus, tmp_path)

    def request(folder: str) -> FilterRequest:
        return FilterRequest(small_corpus.corpus, queries, tmp_path / folder, demo_bundle.folder, keep_share=0.7)

    filter_queries(request("whole"), QUIET)
    filter_queries(request("cut"), QUIET)
    with sqlite3.connect(tmp_path / "cut" / "verdicts.sqlite") as database:  # as if killed after the first block
        database.execute("DELETE FROM verdicts WHERE row >= 16")
        database.execute("UPDATE about SET rows = 16")
    database.close()
    (tmp_path / "cut" / "queries.jsonl").unlink()
    filter_queries(request("cut"), QUIET)
    assert read(tmp_path / "cut") == read(tmp_path / "whole")


def test_a_filter_does_not_overwrite_what_it_reads(small_corpus: SmallCorpus, tmp_path: Path) -> None:
    queries = query_set(small_corpus, tmp_path)
    with pytest.raises(ConfigurationError, match="would be overwritten"):
        FilterRequest(small_corpus.corpus, queries, tmp_path)


def test_empty_queries_are_counted_and_files_from_elsewhere_get_a_sidecar(
    small_corpus: SmallCorpus, tmp_path: Path
) -> None:
    queries = query_set(small_corpus, tmp_path, first={"ar": ["ما هذا؟", "", " "]})
    sidecar_path(queries).unlink()
    filter_queries(FilterRequest(small_corpus.corpus, queries, tmp_path / "out"), QUIET)
    described = read_sidecar(tmp_path / "out" / "queries.jsonl")
    assert described is not None
    assert described.filter is not None
    assert described.filter.dropped == {"ar": {"empty": 2}}
    assert (described.generator.source, described.queries_per_language) == ("file", 1)


def test_two_ways_to_compose_a_letter_are_one_query() -> None:
    assert key_of("Missä Äänekoski on?") == key_of(unicodedata.normalize("NFD", "Missä Äänekoski on?"))


def test_what_cannot_be_filtered_is_refused(small_corpus: SmallCorpus, tmp_path: Path) -> None:
    queries = query_set(small_corpus, tmp_path)
    with pytest.raises(ConfigurationError, match="needs --bundle"):
        FilterRequest(small_corpus.corpus, queries, tmp_path / "out", keep_share=0.5)
    filter_queries(FilterRequest(small_corpus.corpus, queries, tmp_path / "out"), QUIET)
    with pytest.raises(InputError, match="is filtered already"):
        filter_queries(FilterRequest(small_corpus.corpus, tmp_path / "out" / "queries.jsonl", tmp_path / "2"), QUIET)
    other = query_set(small_corpus, tmp_path, first={"ar": ["ما هذا؟", "أين هذا؟"]})
    again = FilterRequest(small_corpus.corpus, other, tmp_path / "out")
    with pytest.raises(RunConflict, match="other input or settings"):
        filter_queries(again, QUIET)
    filter_queries(replace(again, anew=True), QUIET)
