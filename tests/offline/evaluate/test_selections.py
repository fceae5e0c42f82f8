"""Which texts a study fuses."""

from collections import Counter

import numpy as np

from offline.evaluate.dataset import Question
from offline.evaluate.report.model import System
from offline.evaluate.selections import of_languages, places, subsets
from offline.evaluate.studies.halves import chosen_on_the_other_half, halves
from tests.offline.evaluate.hand_made import LANGUAGES, PASSAGES, PER_LANGUAGE, embedded


def test_so_many_of_each_passage_and_language_are_drawn() -> None:
    texts = embedded().texts["queries"]

    for count in range(PER_LANGUAGE + 2):
        mask = places(texts, np.random.default_rng(1)) < count
        drawn = Counter(zip(texts.rows[mask].tolist(), texts.langs[mask].tolist(), strict=True))
        expected = min(count, PER_LANGUAGE)
        assert set(drawn.values()) == ({expected} if expected else set())
        assert len(drawn) == (PASSAGES * len(LANGUAGES) if expected else 0)


def test_draws_differ_by_seed_and_only_by_it() -> None:
    texts = embedded().texts["queries"]
    first, again, other = (places(texts, np.random.default_rng(seed)) for seed in (1, 1, 2))

    assert (first == again).all()
    assert (first != other).any()


def test_the_texts_of_some_languages_are_those_and_no_others() -> None:
    texts = embedded().texts["queries"]

    assert set(texts.langs[of_languages(texts, ["ar", "te"])]) == {"ar", "te"}
    assert not of_languages(texts, []).any()


def test_subsets_are_all_there_are_or_so_many_distinct_ones() -> None:
    every = list(subsets(["a", "b", "c", "d"], 2, 10, np.random.default_rng(0)))
    some = list(subsets(["a", "b", "c", "d"], 2, 4, np.random.default_rng(0)))

    assert len(every) == 6
    assert len(set(some)) == 4
    assert set(some) < set(every)


def _question(lang: str, source: str) -> Question:
    return Question(f"{lang}:{source}", lang, "?", source=source)


def test_translations_of_a_question_are_in_one_half_and_halves_are_even() -> None:
    questions = [_question(lang, str(source)) for lang in ("ar", "ru") for source in range(11)]

    half = halves(questions, seed=3)

    assert half[:11] == half[11:]
    assert sorted(Counter(half[:11]).values()) == [5, 6]


def _system(name: str, scores: list[float]) -> System:
    return System(name=name, encoder="e", description=name, alpha=0.1, scores={"R@1": list(scores)}, means={})


def test_each_half_is_measured_with_what_was_best_on_the_other() -> None:
    good_on_first, good_on_second = _system("one", [1, 1, 0, 0]), _system("two", [0, 0, 1, 0])

    chosen, both = chosen_on_the_other_half([good_on_first, good_on_second], "R@1", ["ar"] * 4, [0, 0, 1, 1], "chosen")

    assert [system.name for system in both] == ["two", "one"]
    assert chosen.scores["R@1"] == [0, 0, 0, 0]
    assert chosen.means["R@1"]["ar"] == 0
