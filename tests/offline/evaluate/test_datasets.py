"""Evaluation sets are read from their official files, whose mess is mended and counted."""

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError, InputError, XqgError
from app.passages import Passage
from offline.demo.corpus import QUERIES, write_corpus
from offline.evaluate.dataset import Augmentation, Dataset, Question
from offline.evaluate.datasets import DatasetRequest, open_dataset

BOM = "\ufeff"


def write_lines(path: Path, *records: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return path


def corpus(folder: Path) -> Path:
    """Two passages, where a third is often asked for."""
    return write_lines(
        folder / "corpus.jsonl",
        {"docid": "nile", "title": "Nile", "text": "The Nile flows to the north."},
        {"docid": "kuopio", "text": "Kuopio lies on a lake."},
    )


def xor(id_: str, lang: str = "fi", **more: object) -> dict[str, object]:
    return {"id": id_, "question": f"Kysymys {id_}?", "answers": ["north"], "lang": lang, "split": "dev", **more}


def squad(*articles: tuple[str, list[tuple[str, list[tuple[str, str]]]]]) -> str:
    """JSON of articles: a title, and paragraphs, each a context with ids and wordings of its questions."""
    data = [
        {
            "title": title,
            "paragraphs": [
                {
                    "context": context,
                    "qas": [
                        {"id": id_, "question": text, "answers": [{"text": context[:4], "answer_start": 0}]}
                        for id_, text in asked
                    ],
                }
                for context, asked in paragraphs
            ],
        }
        for title, paragraphs in articles
    ]
    return json.dumps({"version": "1.1", "data": data})


def xquad(folder: Path) -> Path:
    """Two articles, three paragraphs, four questions; Finnish lacks one and has one too many, in another order."""
    english = [("q1", "Where does it flow?"), ("q2", "What is it?")]
    (folder / "xquad.en.json").write_text(
        squad(
            ("Big_river", [("A river in Africa.", english), ("It has a delta.", [("q3", "What has it?")])]),
            ("Kuopio", [("A town on a lake.", [("q4", "Where is the town?")])]),
        )
    )
    finnish = [("q2", " Mikä se on?"), ("q1", "Minne se virtaa?")]
    text = squad(
        ("Kuopio", [("Kaupunki järven rannalla.", [("q4", "Missä kaupunki on?"), ("q9", "Ylimääräinen?")])]),
        ("Big_river", [(f" {BOM}Joki Afrikassa.", finnish), ("Muuta tekstiä.", [("q8", "Tuntematon?")])]),
    )
    (folder / "xquad.fi.json").write_text(BOM + text)
    return folder


def refused(expected: type[XqgError], request: DatasetRequest) -> str:
    with pytest.raises(expected) as caught:
        open_dataset(request)
    return caught.value.message


# -- XOR-TyDi QA ---------------------------------------------------------------------------------


def open_xor(folder: Path, *records: object, **more: Any) -> Dataset:
    path = write_lines(folder / "xor_dev_retrieve_eng_span_v1_1.jsonl", *records)
    return open_dataset(DatasetRequest("xor-tydi", path, corpus(folder), **more))


def test_xor_tydi_is_judged_by_answers_alone_over_the_users_passages(tmp_path: Path) -> None:
    dataset = open_xor(tmp_path, xor("1", "te", question="నది?"), xor("2", answers=["north", " 1,000\xa0"]))
    assert dataset.questions == [
        Question("2", "fi", "Kysymys 2?", {}, ("north", " 1,000\xa0"), "2"),
        Question("1", "te", "నది?", {}, ("north",), "1"),
    ]
    assert dataset.passages == [
        Passage("nile", "Nile", "The Nile flows to the north."),
        Passage("kuopio", "", "Kuopio lies on a lake."),
    ]
    assert dataset.augmentations == {}
    assert dataset.notes == {}


def test_tags_with_stray_spaces_are_mended_and_counted(tmp_path: Path) -> None:
    dataset = open_xor(tmp_path, xor("1", " ar"), xor("2", "AR"), xor("3", "ar"))
    assert dataset.languages == ["ar"]
    assert dataset.notes == {"language tags of questions with stray spaces or capitals": 2}


def test_a_question_without_answers_cannot_be_judged_and_is_counted(tmp_path: Path) -> None:
    dataset = open_xor(tmp_path, xor("1"), xor("2", answers=[]), xor("3", answers=["", " "]))
    assert [question.id for question in dataset.questions] == ["1"]
    assert dataset.notes == {"questions without an answer, left out": 2, "blank answers dropped": 2}
    with pytest.raises(InputError, match=r"no question has an answer.*test file; use dev"):
        open_xor(tmp_path, xor("1", answers=[]))


def test_repeated_lines_are_counted_and_an_id_with_two_contents_is_refused(tmp_path: Path) -> None:
    assert open_xor(tmp_path, xor("1"), xor("1")).notes == {"repeated lines of questions": 1}
    with pytest.raises(InputError, match=r"span_v1_1\.jsonl:2: the id '1' was given before with another content"):
        open_xor(tmp_path, xor("1"), xor("1", question="Toinen?"))


def test_the_folder_will_do_where_one_official_file_is_in_it(tmp_path: Path) -> None:
    request = DatasetRequest("xor-tydi", tmp_path / "xor", corpus(tmp_path))
    assert "there is no xor_{train,dev}_retrieve_eng_span*.jsonl at" in refused(ConfigurationError, request)
    dev = write_lines(tmp_path / "xor" / "xor_dev_retrieve_eng_span_v1_1.jsonl", xor("1"))
    write_lines(tmp_path / "xor" / "notes.jsonl", {})
    dataset = open_dataset(request)
    assert dataset.files[dev.name] == hashlib.sha256(dev.read_bytes()).hexdigest()
    assert set(dataset.files) == {dev.name, "corpus.jsonl"}
    write_lines(tmp_path / "xor" / "xor_train_retrieve_eng_span.jsonl", xor("1"))
    assert "xor_train_retrieve_eng_span.jsonl; give one of them" in refused(ConfigurationError, request)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "holds no question; expected xor_{train,dev}_retrieve_eng_span*.jsonl"),
        ('{\n "data": []\n}\n', ":1: the line is not JSON"),
        ('{\n "data": []\n}\n', "expected xor_{train,dev}_retrieve_eng_span*.jsonl"),
        ('{"question": "Mikä?", "lang": "fi"}\n', ":1: the line has no question id; expected xor_"),
        ('{"id": "1", "lang": "fi", "question": " "}\n', ":1: the line of '1' has no question; expected xor_"),
        ('{"id": "1", "question": "Mikä?", "answers": ["a"]}\n', ":1: unknown language tag ''"),
        ('{"id": "1", "question": "Quoi ?", "lang": "fr", "answers": ["a"]}\n', ":1: unknown language tag 'fr'"),
        ('{"id": "1", "question": "Mikä?", "lang": ["fi"]}\n', ":1: the lang of '1' is no string"),
        ('{"id": "1", "question": "Mikä?", "lang": "fi", "answers": "a"}\n', "no list of strings"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(content)
    message = refused(InputError, DatasetRequest("xor-tydi", path, corpus(tmp_path)))
    assert message.startswith(str(path))
    assert complaint in message


def test_a_set_without_passages_asks_for_them(tmp_path: Path) -> None:
    assert "give its passages as --corpus" in refused(ConfigurationError, DatasetRequest("xor-tydi", tmp_path))
    assert "`python -m offline demo` writes" in refused(ConfigurationError, DatasetRequest("vital", tmp_path))


# -- generated queries ---------------------------------------------------------------------------


def queries_for(folder: Path, **by_docid: dict[str, list[str]]) -> Path:
    lines = [{"docid": docid, "generated_queries": queries} for docid, queries in by_docid.items()]
    return write_lines(folder / "queries.jsonl", *lines)


def test_generated_queries_come_in_corpus_order_and_passages_without_are_counted(tmp_path: Path) -> None:
    queries = queries_for(tmp_path, nile={"te": ["t"], " ar": ["b", "a", ""]})
    dataset = open_xor(tmp_path, xor("1", " fi"), queries=queries)
    assert dataset.augmentations == {
        "queries": [
            Augmentation("nile", "ar", "b"),
            Augmentation("nile", "ar", "a"),
            Augmentation("nile", "te", "t"),
        ]
    }
    assert dataset.notes == {
        "language tags of questions with stray spaces or capitals": 1,
        "language tags with stray spaces or capitals": 1,
        "empty queries dropped": 1,
        "passages without generated queries": 1,
    }
    assert all(not passage.generated_queries for passage in dataset.passages)
    both = open_xor(tmp_path, xor("1"), queries=queries_for(tmp_path, kuopio={"fi": ["k"]}, nile={"ar": ["n"]}))
    assert [text.docid for text in both.augmentations["queries"]] == ["nile", "kuopio"]


def test_queries_of_other_passages_are_refused_unless_they_may_be_left_out(tmp_path: Path) -> None:
    queries = queries_for(tmp_path, nile={"ar": ["n"]}, ganges={"ar": ["g"]})
    with pytest.raises(InputError, match=r"queries\.jsonl:2: the corpus has no passage 'ganges'"):
        open_xor(tmp_path, xor("1"), queries=queries)
    dataset = open_xor(tmp_path, xor("1"), queries=queries, ignore_unmatched=True)
    assert dataset.notes["lines for passages that are not in the corpus, left out"] == 1
    with pytest.raises(InputError, match="holds no query for any passage"):
        open_xor(tmp_path, xor("1"), queries=queries_for(tmp_path, ganges={"ar": ["g"]}), ignore_unmatched=True)


# -- XQuAD ---------------------------------------------------------------------------------------


def test_xquad_english_paragraphs_are_the_passages(tmp_path: Path) -> None:
    dataset = open_dataset(DatasetRequest("xquad", xquad(tmp_path)))
    assert dataset.passages == [
        Passage("Big_river#0", "", "A river in Africa."),
        Passage("Big_river#1", "", "It has a delta."),
        Passage("Kuopio#0", "", "A town on a lake."),
    ]
    assert set(dataset.files) == {"xquad.en.json", "xquad.fi.json"}


def test_xquad_questions_of_every_language_ask_for_the_english_paragraph(tmp_path: Path) -> None:
    dataset = open_dataset(DatasetRequest("xquad", xquad(tmp_path)))
    assert [(each.id, each.text) for each in dataset.questions] == [
        ("en:q1", "Where does it flow?"),
        ("en:q2", "What is it?"),
        ("en:q3", "What has it?"),
        ("en:q4", "Where is the town?"),
        ("fi:q4", "Missä kaupunki on?"),
        ("fi:q2", "Mikä se on?"),
        ("fi:q1", "Minne se virtaa?"),
    ]
    assert dataset.questions[5] == Question("fi:q2", "fi", "Mikä se on?", {"Big_river#0": 1}, ("A ri",), "q2")


def test_xquad_fuses_human_questions_and_translated_paragraphs(tmp_path: Path) -> None:
    dataset = open_dataset(DatasetRequest("xquad", xquad(tmp_path)))
    assert dataset.augmentations == {
        "queries": [
            Augmentation("Big_river#0", "en", "Where does it flow?", "q1"),
            Augmentation("Big_river#0", "en", "What is it?", "q2"),
            Augmentation("Big_river#0", "fi", "Mikä se on?", "q2"),
            Augmentation("Big_river#0", "fi", "Minne se virtaa?", "q1"),
            Augmentation("Big_river#1", "en", "What has it?", "q3"),
            Augmentation("Kuopio#0", "en", "Where is the town?", "q4"),
            Augmentation("Kuopio#0", "fi", "Missä kaupunki on?", "q4"),
        ],
        "translations": [
            Augmentation("Big_river#0", "fi", "Joki Afrikassa."),
            Augmentation("Kuopio#0", "fi", "Kaupunki järven rannalla."),
        ],
    }


def test_what_is_not_parallel_is_counted(tmp_path: Path) -> None:
    assert open_dataset(DatasetRequest("xquad", xquad(tmp_path))).notes == {
        "texts with spaces around them, trimmed": 2,
        "texts with byte order marks, removed": 1,
        "fi questions without an English counterpart, left out": 2,
        "fi paragraphs without an English counterpart, left out": 1,
    }


def test_a_language_with_nothing_parallel_is_refused(tmp_path: Path) -> None:
    (xquad(tmp_path) / "xquad.ar.json").write_text(squad(("A", [("نص", [("zz", "سؤال؟")])])))
    message = refused(InputError, DatasetRequest("xquad", tmp_path))
    assert "xquad.ar.json: no question has the id of an English one" in message


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "is not the SQuAD-style JSON of xquad.en.json (file: Invalid JSON"),
        ('{"rows": []}', "(data: Field required)"),
        ('{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": "1"}]}]}]}', "paragraphs.0.qas.0.question"),
        ('{"data": []}', "holds no question; is it the official xquad.en.json?"),
        (squad(("A", [("x", [("1", "a?")]), ("y", [("1", "a?")])])), "the question id '1' comes twice"),
        (squad(("A", [("x", [("1", "a?"), ("1", "b?")])])), "the question id '1' comes twice"),
    ],
)
def test_a_file_that_is_no_squad_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "xquad.en.json").write_text(content)
    message = refused(InputError, DatasetRequest("xquad", tmp_path))
    assert message.startswith(str(tmp_path / "xquad.en.json"))
    assert complaint in message


def test_squad_questions_without_text_or_given_twice_are_counted(tmp_path: Path) -> None:
    asked = [("1", "a?"), ("1", "a?"), ("2", BOM)]
    (tmp_path / "xquad.en.json").write_text(squad(("A", [("x", asked), (" ", [("3", "c?")]), ("y", [])])))
    dataset = open_dataset(DatasetRequest("xquad", tmp_path))
    assert [question.id for question in dataset.questions] == ["en:1"]
    assert [passage.text for passage in dataset.passages] == ["x", "y"]  # what nobody asks of is still in the way
    assert dataset.notes == {
        "repeated questions": 1,
        "empty questions, left out": 1,
        "empty paragraphs, left out with their questions": 1,
        "texts with spaces around them, trimmed": 1,
        "texts with byte order marks, removed": 1,
    }


def test_xquad_without_english_or_with_options_that_are_not_its_own_is_refused(tmp_path: Path) -> None:
    assert "there is no xquad.en.json" in refused(ConfigurationError, DatasetRequest("xquad", tmp_path))
    request = DatasetRequest("xquad", xquad(tmp_path), corpus(tmp_path))
    assert "leave out --corpus and --queries" in refused(ConfigurationError, request)


def test_languages_restrict_the_questions_and_not_what_is_fused(tmp_path: Path) -> None:
    dataset = open_dataset(DatasetRequest("xquad", xquad(tmp_path), languages=(" FI",)))
    assert dataset.languages == ["fi"]
    assert dataset.notes["questions in languages that were not asked for"] == 4
    assert {text.lang for text in dataset.augmentations["queries"]} == {"en", "fi"}
    request = DatasetRequest("xquad", tmp_path, languages=("fi", "te"))
    assert "no question in te; there are en, fi" in refused(ConfigurationError, request)


# -- MLQA ----------------------------------------------------------------------------------------


def mlqa(folder: Path) -> Path:
    """Two English paragraphs, one of them asked about in German too, where it is two paragraphs."""
    river, lake = "A river in Africa.", "A lake."
    english = squad(("Nile", [(river, [("a", "Where?"), ("b", "What?")]), (lake, [("c", "Which?")])]))
    files = {
        "dev-context-en-question-en.json": english,
        "dev-context-en-question-de.json": squad(("Nile", [(river, [("b", "Was?"), ("a", "Wo?")])])),
        "dev-context-de-question-de.json": squad(
            ("Nil", [("Ein Fluss.", [("a", "Wo?")]), ("Der Nil ist lang.", [("b", "Was?")])]),
            ("Nil", [("Ein Fluss.", [("b2", "Wer?")])]),
        ),
        "dev-context-de-question-en.json": "never read",
        "dev-context-vi-question-vi.json": squad(("Sông", [("Một con sông.", [("a", "Ở đâu?")])])),
    }
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def test_mlqa_takes_passages_from_english_contexts_and_questions_from_every_language(tmp_path: Path) -> None:
    dataset = open_dataset(DatasetRequest("mlqa", mlqa(tmp_path)))
    assert [(passage.docid, passage.text) for passage in dataset.passages] == [
        ("Nile#0", "A river in Africa."),
        ("Nile#1", "A lake."),
    ]
    assert [(each.id, each.text, each.relevant) for each in dataset.questions] == [
        ("de:b", "Was?", {"Nile#0": 1}),
        ("de:a", "Wo?", {"Nile#0": 1}),
        ("en:a", "Where?", {"Nile#0": 1}),
        ("en:b", "What?", {"Nile#0": 1}),
        ("en:c", "Which?", {"Nile#1": 1}),
        ("vi:a", "Ở đâu?", {"Nile#0": 1}),
    ]
    assert {question.answers for question in dataset.questions} == {("A ri",), ("A la",)}
    assert len(dataset.files) == 4


def test_mlqa_links_paragraphs_of_other_languages_by_their_questions(tmp_path: Path) -> None:
    dataset = open_dataset(DatasetRequest("mlqa", mlqa(tmp_path)))
    assert dataset.augmentations["translations"] == [
        Augmentation("Nile#0", "de", "Ein Fluss."),
        Augmentation("Nile#0", "de", "Der Nil ist lang."),
        Augmentation("Nile#0", "vi", "Một con sông."),
    ]
    assert dataset.notes == {
        "de questions without an English counterpart, left out": 1,
        "de paragraphs without an English counterpart, left out": 1,
    }


def test_mlqa_docids_do_not_depend_on_the_other_files(tmp_path: Path) -> None:
    whole = open_dataset(DatasetRequest("mlqa", mlqa(tmp_path)))
    for path in tmp_path.glob("dev-context-*-question-[dv]*.json"):
        path.unlink()
    assert open_dataset(DatasetRequest("mlqa", tmp_path)).passages == whole.passages


def test_mlqa_contexts_that_differ_between_files_make_no_second_passage(tmp_path: Path) -> None:
    other = squad(("Nile", [("A river in  Africa.", [("a", "Wo?")]), ("A sea.", [("d", "Meer?")])]))
    (mlqa(tmp_path) / "dev-context-en-question-de.json").write_text(other)
    dataset = open_dataset(DatasetRequest("mlqa", tmp_path))
    assert [passage.text for passage in dataset.passages] == ["A river in Africa.", "A lake.", "A sea."]
    assert dataset.notes["English paragraphs worded otherwise in a second file, left out"] == 1


def test_mlqa_asks_for_one_split(tmp_path: Path) -> None:
    missing = "there is no dev/test-context-en-question-en.json"
    assert missing in refused(ConfigurationError, DatasetRequest("mlqa", tmp_path))
    (mlqa(tmp_path) / "test-context-en-question-en.json").write_text("{}")
    assert "both splits" in refused(ConfigurationError, DatasetRequest("mlqa", tmp_path))


# -- BEIR ----------------------------------------------------------------------------------------


def beir(folder: Path, judgements: str = "query-id\tcorpus-id\tscore\nq1\tnile\t2\nq2\tkuopio\t1\n") -> DatasetRequest:
    corpus(folder)
    write_lines(
        folder / "queries.jsonl",
        {"_id": "q1", "text": "Minne Niili virtaa?", "metadata": {"lang": "FI"}, "answers": ["north"]},
        {"_id": "q2", "text": "డమ్మీ?", "lang": "te"},
        {"_id": "q3", "text": "Never judged?"},
    )
    (folder / "qrels.tsv").write_text(judgements)
    return DatasetRequest("beir", folder)


def test_beir_grades_languages_and_answers_are_read(tmp_path: Path) -> None:
    dataset = open_dataset(beir(tmp_path))
    assert dataset.questions == [
        Question("q1", "fi", "Minne Niili virtaa?", {"nile": 2}, ("north",), "q1"),
        Question("q2", "te", "డమ్మీ?", {"kuopio": 1}, (), "q2"),
    ]
    assert dataset.notes == {
        "language tags of questions with stray spaces or capitals": 1,
        "questions without a relevant passage, left out": 1,
    }
    assert set(dataset.files) == {"corpus.jsonl", "queries.jsonl", "qrels.tsv"}


def test_beir_judgements_of_nothing_relevant_or_nothing_there_are_counted(tmp_path: Path) -> None:
    judgements = "q1\tnile\t1\nq1\tkuopio\t0\nq2\tkuopio\t-1\nq1\tganges\t1\nq7\tnile\t1\nq3\tnile\t1\n\nq3\tnile\t1\n"
    dataset = open_dataset(beir(tmp_path, judgements))
    assert [(each.id, each.lang, each.relevant) for each in dataset.questions] == [
        ("q1", "fi", {"nile": 1}),
        ("q3", "unknown", {"nile": 1}),
    ]
    assert dataset.notes == {
        "language tags of questions with stray spaces or capitals": 1,
        "judgements of 0 or below, left out": 2,
        "judgements of passages that are not in the corpus, left out": 1,
        "judgements of questions that are not there, left out": 1,
        "questions without a relevant passage, left out": 1,
        "questions without a language": 1,
    }


def test_beir_reads_its_own_test_split_and_trecs_four_columns(tmp_path: Path) -> None:
    request = beir(tmp_path)
    (tmp_path / "qrels.tsv").unlink()
    assert "there is no qrels.tsv or qrels/test.tsv" in refused(ConfigurationError, request)
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("q2\tQ0\tnile\t1\n")
    assert open_dataset(request).questions[0].relevant == {"nile": 1}


@pytest.mark.parametrize(
    ("judgements", "complaint"),
    [
        ("q1 nile 1\n", ":1: the line has 1 columns; write query-id, corpus-id and score, parted by tabs"),
        ("q1\tnile\tyes\n", ":1: the score 'yes' is no whole number"),
        ("query-id\tcorpus-id\tscore\nq1\tnile\t0.5\n", ":2: the score '0.5' is no whole number"),
        ("q1\tnile\t1\nq1\tnile\t2\n", ":2: 'nile' was judged before for 'q1', with another score"),
        ("q1\tganges\t1\n", "no question of"),
        ("", "no question of"),
    ],
)
def test_beir_judgements_that_cannot_be_used_are_named(tmp_path: Path, judgements: str, complaint: str) -> None:
    message = refused(InputError, beir(tmp_path, judgements))
    assert message.startswith(str(tmp_path / "qrels.tsv"))
    assert complaint in message


def test_beir_takes_another_corpus_and_queries_whose_name_is_the_questions_own(tmp_path: Path) -> None:
    request = beir(tmp_path)
    generated = queries_for(tmp_path / "generated", nile={"fi": ["Niili?"]})
    other = write_lines(tmp_path / "other.jsonl", {"docid": "nile", "text": "A river."})
    dataset = open_dataset(DatasetRequest("beir", request.data, other, generated))
    assert dataset.passages == [Passage("nile", "", "A river.")]
    assert dataset.augmentations["queries"] == [Augmentation("nile", "fi", "Niili?")]
    assert {f"{tmp_path.name}/queries.jsonl", "generated/queries.jsonl"} <= set(dataset.files)


def test_beir_files_may_be_compressed(tmp_path: Path) -> None:
    plain = open_dataset(beir(tmp_path))
    for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv"):
        path = tmp_path / name
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = open_dataset(DatasetRequest("beir", tmp_path))
    assert (packed.questions, packed.passages) == (plain.questions, plain.passages)


# -- vital ---------------------------------------------------------------------------------------


def test_vital_questions_without_their_passage_are_counted(tmp_path: Path) -> None:
    write_lines(tmp_path / "questions.jsonl", xor("1", docid="nile"), xor("2", docid="ganges"))
    dataset = open_dataset(DatasetRequest("vital", tmp_path, corpus(tmp_path)))
    assert dataset.questions == [Question("1", "fi", "Kysymys 1?", {"nile": 1}, ("north",), "1")]
    assert dataset.notes == {"questions whose passage is not in the corpus, left out": 1}


def test_vital_without_a_passage_in_common_or_without_docids_is_refused(tmp_path: Path) -> None:
    request = DatasetRequest("vital", tmp_path, corpus(tmp_path))
    assert "there is no questions.jsonl" in refused(ConfigurationError, request)
    write_lines(tmp_path / "questions.jsonl", xor("1", docid="ganges"))
    assert "no question's passage is in" in refused(InputError, request)
    write_lines(tmp_path / "questions.jsonl", xor("1"))
    assert "questions.jsonl:1: the question '1' has no docid" in refused(InputError, request)


# -- the real files ------------------------------------------------------------------------------


def per_language(dataset: Dataset) -> Counter[str]:
    return Counter(question.lang for question in dataset.questions)


def test_the_real_xquad_is_read_whole(shared_data: Path) -> None:
    dataset = open_dataset(DatasetRequest("xquad", shared_data / "xquad"))
    assert per_language(dataset) == {"ar": 1190, "en": 1190, "ru": 1190}
    assert len(dataset.passages) == len({passage.docid for passage in dataset.passages}) == 240
    assert len(dataset.augmentations["queries"]) == 3 * 1190
    assert len(dataset.augmentations["translations"]) == 2 * 240
    assert {what.split(",")[0] for what in dataset.notes} == {
        "texts with spaces around them",
        "texts with byte order marks",
    }
    texts = {passage.docid: passage.text for passage in dataset.passages}
    english = [question for question in dataset.questions if question.lang == "en"]
    assert all(answer in texts[docid] for each in english for docid in each.relevant for answer in each.answers)


def test_the_real_xquad_is_parallel_by_position_too(shared_data: Path) -> None:
    dataset = open_dataset(DatasetRequest("xquad", shared_data / "xquad"))
    arabic = json.loads((shared_data / "xquad" / "xquad.ar.json").read_text(encoding="utf-8"))
    contexts = [
        each["context"].replace(BOM, "").strip() for article in arabic["data"] for each in article["paragraphs"]
    ]
    assert [text.text for text in dataset.augmentations["translations"] if text.lang == "ar"] == contexts


def test_the_real_xor_tydi_is_read_whole(shared_data: Path, tmp_path: Path) -> None:
    dataset = open_dataset(DatasetRequest("xor-tydi", shared_data / "xor_tydi", corpus(tmp_path)))
    assert len(dataset.questions) == 15_250
    assert dataset.languages == ["ar", "bn", "fi", "ja", "ko", "ru", "te"]
    assert dataset.notes == {
        "language tags of questions with stray spaces or capitals": 2574,
        "texts with byte order marks, removed": 1,
    }
    assert all(question.answers and not question.relevant for question in dataset.questions)


def test_the_real_vital_is_read_whole(shared_data: Path, tmp_path: Path) -> None:
    passages = write_corpus(tmp_path / "corpus.jsonl")
    dataset = open_dataset(DatasetRequest("vital", shared_data / "vital", passages, QUERIES))
    assert len(dataset.passages) == 1440
    assert len(dataset.questions) == 968
    assert len(dataset.augmentations["queries"]) == 1440 * 14
    assert dataset.notes == {}
