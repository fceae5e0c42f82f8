"""A question that is fused into a passage is found out, whatever it is dressed as."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import InputError
from app.passages import Passage
from offline.demo.corpus import QUERIES, write_corpus
from offline.evaluate.dataset import Augmentation, Dataset, Question
from offline.evaluate.datasets import DatasetRequest, open_dataset
from offline.evaluate.leaks import find_leaks, left_out, refuse_leaks


def dataset(questions: list[Question], texts: list[Augmentation]) -> Dataset:
    passages = [Passage("nile", "", "The Nile flows to the north."), Passage("kuopio", "", "Kuopio lies on a lake.")]
    return Dataset("vital", {}, passages, questions, {"queries": texts})


def asked(text: str, id_: str = "1", source: str = "1", lang: str = "fi") -> Question:
    return Question(id_, lang, text, {"nile": 1}, ("north",), source)


def pairs(given: Dataset) -> list[tuple[int, int]]:
    return [(leak.question_row, leak.augmentation_row) for leak in find_leaks(given, "queries")]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Minne Niili virtaa?", "Minne Niili virtaa?"),
        ("Minne Niili virtaa?", "  minne, NIILI … virtaa!"),
        ("Mitä tapahtui vuonna 1969?", "Mitä tapahtui vuonna １９６９？"),
        ("ナイル川はどこですか？", "ナイル川は どこ ですか"),
        ("ナイル川はどこ？", "ﾅｲﾙ川はどこ"),
        ("Mikä on Straße?", "MIKÄ ON STRASSE"),
        ("Mika\u0308 on Niili?", "Mikä on Niili?"),
        ("నైలు నది ఎక్కడ ఉంది?", "«నైలు నది ఎక్కడ ఉంది»"),
    ],
)
def test_a_leaked_question_is_refused_in_every_disguise(question: str, text: str) -> None:
    leaked = dataset(
        [asked("Muu?"), asked(question)], [Augmentation("nile", "fi", "eri"), Augmentation("nile", "fi", text)]
    )
    assert pairs(leaked) == [(1, 1)]
    with pytest.raises(InputError, match=r"1 of the questions .* such as 1 \(a text of 'nile'\); .*--leaks leave-out"):
        left_out(leaked, "queries")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("పాలు ఏది?", "పులి ఏది?"),  # milk and tiger: the vowels alone differ
        ("পানি কী?", "পনি কী?"),
        ("Mitä tapahtui vuonna 1969?", "Mitä tapahtui vuonna 1968?"),
        ("Minne Niili virtaa?", "Minne Niili virtaa nyt?"),
    ],
)
def test_different_questions_are_not_confused(question: str, text: str) -> None:
    assert pairs(dataset([asked(question)], [Augmentation("nile", "fi", text)])) == []


def test_a_leak_into_any_passage_counts() -> None:
    given = dataset([asked("Missä?")], [Augmentation("kuopio", "fi", "missä")])
    assert [(leak.question.id, leak.augmentation.docid) for leak in find_leaks(given, "queries")] == [("1", "kuopio")]


def test_a_questions_own_source_is_left_out_in_all_languages_and_no_leak() -> None:
    questions = [asked("Missä?", "fi:1", "1"), asked("Where?", "en:1", "1", "en"), asked("Mikä?", "fi:2", "2")]
    texts = [
        Augmentation("nile", "en", "Where?", "1"),
        Augmentation("nile", "fi", "Missä?", "1"),
        Augmentation("nile", "fi", "Mikä?", "2"),
    ]
    given = dataset(questions, texts)
    assert find_leaks(given, "queries") == []
    found = left_out(given, "queries")
    assert found.question_rows.tolist() == [0, 0, 1, 1, 2]
    assert found.augmentation_rows.tolist() == [0, 1, 0, 1, 2]
    assert found.question_rows.dtype == found.augmentation_rows.dtype == np.int32


def test_the_same_question_under_another_source_is_a_leak() -> None:
    questions = [asked("Missä?", "fi:1", "1"), asked("Missä ?", "fi:2", "2")]
    texts = [Augmentation("nile", "fi", "Missä?", "1"), Augmentation("kuopio", "fi", "Missä ?", "2")]
    given = dataset(questions, texts)
    assert pairs(given) == [(0, 1), (1, 0)]
    found = left_out(given, "queries", "leave-out")
    assert found.question_rows.tolist() == [0, 0, 1, 1]
    assert found.augmentation_rows.tolist() == [0, 1, 0, 1]


def test_a_question_without_a_source_owns_no_generated_query() -> None:
    given = dataset(
        [asked("Missä?", source="")], [Augmentation("nile", "fi", "Missä?"), Augmentation("nile", "fi", "x")]
    )
    assert pairs(given) == [(0, 0)]
    assert left_out(given, "queries", "leave-out").augmentation_rows.tolist() == [0]


def test_questions_are_counted_once_and_the_first_are_named() -> None:
    questions = [asked(f"Missä {number}?", str(number)) for number in range(5)]
    texts = [Augmentation(docid, "fi", each.text) for each in questions for docid in ("nile", "kuopio")]
    with pytest.raises(InputError) as caught:
        refuse_leaks(find_leaks(dataset(questions, texts), "queries"))
    message = caught.value.message
    assert message.startswith("5 of the questions")
    assert "0 (a text of 'nile'), 1 (a text of 'nile'), 2 (a text of 'nile');" in message


def test_nothing_to_fuse_leaks_nothing() -> None:
    given = dataset([asked("Missä?")], [])
    refuse_leaks(find_leaks(given, "translations"))
    assert left_out(given, "translations").question_rows.shape == (0,)


def test_the_real_vital_has_the_leaks_that_were_measured(shared_data: Path, tmp_path: Path) -> None:
    passages = write_corpus(tmp_path / "corpus.jsonl")
    vital = open_dataset(DatasetRequest("vital", shared_data / "vital", passages, QUERIES))
    leaks = find_leaks(vital, "queries")
    assert len({leak.question.id for leak in leaks}) == 16
    assert len({leak.question.id for leak in leaks if leak.augmentation.docid in leak.question.relevant}) == 15
    with pytest.raises(InputError, match=r"^16 of the questions"):
        refuse_leaks(leaks)


def test_the_real_xquad_leaves_out_each_question_in_every_language_and_its_twins(shared_data: Path) -> None:
    xquad = open_dataset(DatasetRequest("xquad", shared_data / "xquad"))
    leaks = find_leaks(xquad, "queries")
    assert all(leak.question.source != leak.augmentation.source for leak in leaks)
    assert len(left_out(xquad, "queries", "leave-out").question_rows) == 3 * 3570 + len(leaks)
