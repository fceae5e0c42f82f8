"""Answer recall agrees with the official definition, word for word and question by question."""

import json
import random
import re
import sys
from functools import cache
from pathlib import Path

import nltk
import pytest
from nltk.tokenize import word_tokenize

from app.errors import ConfigurationError
from offline.demo.corpus import write_corpus
from offline.evaluate.metrics.answers import (
    ANSWER_METRICS,
    answer_scores,
    first_tokens,
    holds_answer,
    holds_answer_alone,
    word_tokens,
)
from offline.evaluate.metrics.averages import means
from offline.evaluate.metrics.punkt import require_punkt

HITS = 60
LONG = "word " * 1_990  # leaves room for ten more tokens of the first 2,000


def test_tokens_of_all_texts_are_laid_end_to_end_and_cut() -> None:
    assert first_tokens(["The Nile flows.", "It ends", "in the sea."], 6) == ["The", "Nile", "flows", ".", "It", "ends"]
    assert first_tokens(["The Nile flows.", "It ends"], 5) == ["The", "Nile", "flows", ".", "It"]


def test_texts_beyond_the_last_token_are_not_read() -> None:
    texts = iter(["The Nile flows.", "It ends", "in the sea."])
    assert len(first_tokens(texts, 4)) == 4
    assert next(texts) == "It ends"


def test_a_ranking_that_ends_early_is_read_as_far_as_it_goes() -> None:
    assert first_tokens(["The Nile flows."], 2_000) == ["The", "Nile", "flows", "."]
    assert first_tokens([], 2_000) == []


def test_a_question_without_a_span_to_find_does_not_count() -> None:
    assert answer_scores(["yes, no"], ["yes", "no"]) == dict.fromkeys(ANSWER_METRICS)
    assert answer_scores(["yes, no"], []) == dict.fromkeys(ANSWER_METRICS)


def test_yes_and_no_are_dropped_beside_spans_and_only_when_spelled_so() -> None:
    assert answer_scores(["It said yes."], ["yes", "Cairo"]) == dict.fromkeys(ANSWER_METRICS, 0.0)
    assert answer_scores(["Yes was a band."], ["Yes"]) == dict.fromkeys(ANSWER_METRICS, 1.0)


@pytest.mark.parametrize(
    ("filler", "expected"),
    [
        ("", {"R@2kt": 1, "R@5kt": 1}),
        ("word " * 8, {"R@2kt": 1, "R@5kt": 1}),  # "Lake Nasser" are the tokens 1,999 and 2,000
        ("word " * 9, {"R@2kt": 0, "R@5kt": 1}),  # the cut goes through the answer
        ("word " * 3_008, {"R@2kt": 0, "R@5kt": 1}),
        ("word " * 3_009, {"R@2kt": 0, "R@5kt": 0}),
    ],
)
def test_the_cut_falls_after_the_2000th_and_the_5000th_token(filler: str, expected: dict[str, int]) -> None:
    scores = answer_scores([LONG, filler, "Lake Nasser"], ["Lake Nasser"])
    assert scores == expected | {f"{name} strict": score for name, score in expected.items()}


@pytest.mark.parametrize(
    ("text", "answer", "found", "alone"),
    [
        ("The dam of 1963", "1", True, False),
        ("The dam of 1963", "1963", True, True),
        ("It cost 1,963 pounds", "963", True, False),
        ("It cost 1,963 pounds", "1", True, False),
        ("It cost 1,963 pounds", "1,963", True, True),
        ("It is 3.14 m deep", "14", True, False),
        ("It is 3.14 m deep", "3", True, False),
        ("It left at 10:30", "10", True, False),
        ("It came 1st", "1", True, False),
        ("He lived 1939–1945", "1945", True, True),
        ("He lived 1939-45", "1939", True, True),
        ("A French-speaking town", "French", True, True),
        ("Frenchmen", "French", True, False),
        ("the Nile's course", "Nile", True, True),
        ("in 1963.", "1963.", False, False),  # the text reads "1963 ."
        ("in Geneva, Switzerland", "Geneva, Switzerland", False, False),
        ("in Geneva, Switzerland", "Geneva , Switzerland", True, True),
        ("about 10% of it", "10%", False, False),
        ("about 10% of it", "10", True, True),
        ("about $5 million", "$5 million", False, False),
        ("about $5 million", "5 million", True, True),
        ("about $55 million", "5 million", True, False),
        ("in the U.S. army", "U.S.", True, True),
        ('the "Nile"', '"Nile"', False, False),  # NLTK writes `` and '' for quotation marks
        ("the Nile", "nile", False, False),
        ("a Nile of its own", "Nile  of", False, False),
        ("dated 11, then 1", "1", True, True),  # the last one stands alone
        ("C++ and Ada", "C++", True, True),
        ("Äänekoski", "nekoski", True, False),
    ],
)
def test_an_answer_is_a_substring_and_strictly_no_piece_of_a_word(
    text: str, answer: str, found: bool, alone: bool
) -> None:
    context = " ".join(word_tokens(text))
    assert holds_answer(context, [answer]) is found
    assert holds_answer_alone(context, [answer]) is alone


def test_an_answer_may_run_over_from_one_passage_into_the_next() -> None:
    assert answer_scores(["They moved to New", "York is old."], ["New York"]) == dict.fromkeys(ANSWER_METRICS, 1.0)


def test_one_answer_of_several_is_enough() -> None:
    assert answer_scores(["It flows to Cairo"], ["Aswan", "Cairo"]) == dict.fromkeys(ANSWER_METRICS, 1.0)


def test_an_empty_answer_is_in_every_text_as_the_official_script_has_it() -> None:
    assert answer_scores(["It flows"], [""])["R@2kt"] == 1


@cache
def tokens_of(text: str) -> list[str]:
    return word_tokenize(text)


def official_context(ctxs: list[str], n: int) -> str:
    """What an answer is looked for in, by the definition read on its own: the first n tokens, joined."""
    tokens: list[str] = []
    for ctx in ctxs:
        if len(tokens) < n:
            tokens += tokens_of(ctx)
    return " ".join(tokens[:n])


def alone(context: str, answer: str) -> bool:
    """The strict definition as one expression, for answers that begin and end with a letter or digit."""
    before = r"(?<!\w)" + (r"(?<!\d[.,:])" if answer[0].isdigit() else "")
    after = r"(?!\w)" + (r"(?![.,:]\d)" if answer[-1].isdigit() else "")
    return re.search(before + re.escape(answer) + after, context) is not None


def test_scores_agree_with_an_independent_reading_on_real_questions(shared_data: Path, tmp_path: Path) -> None:
    texts = {
        passage["docid"]: passage["text"]
        for passage in map(json.loads, write_corpus(tmp_path / "corpus.jsonl").read_text().splitlines())
    }
    lines = (shared_data / "vital" / "questions.jsonl").read_text().splitlines()
    questions = [question for question in map(json.loads, lines) if question["docid"] in texts]
    pool = sorted({question["docid"] for question in questions})
    rng = random.Random(5)
    hits: dict[tuple[str, int], list[bool]] = {}
    scored: dict[str, list[float | None]] = {name: [] for name in ANSWER_METRICS}
    for question in questions:
        docids = rng.sample(pool, HITS)
        docids.insert(rng.randrange(HITS), question["docid"])
        ranking, answers = [texts[docid] for docid in docids], question["answers"]
        scores = answer_scores(ranking, answers)
        for n in (2_000, 5_000):
            context = official_context(ranking, n)
            expected = any(answer in context for answer in answers)
            assert scores[f"R@{n // 1000}kt"] == expected, question["id"]
            hits.setdefault((question["lang"], n), []).append(expected)
            if all(answer[0].isalnum() and answer[-1].isalnum() for answer in answers):
                stands_alone = expected and any(alone(context, answer) for answer in answers)
                assert scores[f"R@{n // 1000}kt strict"] == stands_alone, question["id"]
        for name, score in scores.items():
            scored[name].append(score)

    langs = [question["lang"] for question in questions]
    for n in (2_000, 5_000):
        shares = {lang: sum(found) / len(found) for (lang, size), found in hits.items() if size == n}
        expected_means = shares | {"macro": sum(shares.values()) / len(shares)}
        assert means(scored[f"R@{n // 1000}kt"], langs) == pytest.approx(expected_means)

    # the check is worth something only where every outcome occurs
    assert len(questions) >= 500
    outcomes = list(zip(scored["R@2kt"], scored["R@5kt"], strict=True))
    assert min(outcomes.count(outcome) for outcome in [(0, 0), (0, 1), (1, 1)]) > 100
    assert sum(found != strict for found, strict in zip(scored["R@2kt"], scored["R@2kt strict"], strict=True)) > 5
    all_answers = [answer for question in questions for answer in question["answers"]]
    assert sum(any(not (char.isalnum() or char.isspace()) for char in answer) for answer in all_answers) > 50
    assert sum(any(char.isdigit() for char in answer) for answer in all_answers) > 200


def test_the_real_yes_no_questions_do_not_count(shared_data: Path) -> None:
    lines = (shared_data / "xor_tydi" / "xor_train_retrieve_eng_span.jsonl").read_text().splitlines()
    skipped = [answer_scores([], json.loads(line)["answers"])["R@5kt"] is None for line in lines]
    assert skipped == [re.search(r'"answers": \["(yes|no)"\]', line) is not None for line in lines]
    assert sum(skipped) > 1_000


def without_punkt(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """No NLTK data but in these folders, and no package but in these either."""
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(sys, "path", [str(folder) for folder in folders])


def test_missing_punkt_data_is_asked_for_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    without_punkt(monkeypatch)
    with pytest.raises(ConfigurationError, match=r"nltk\.downloader punkt_tab.*--no-deps llama-index-core"):
        require_punkt.__wrapped__()


def test_a_wheel_that_carries_no_punkt_data_is_no_help(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_wheel(tmp_path, "llama_index/core/__init__.py")
    without_punkt(monkeypatch, tmp_path)
    with pytest.raises(ConfigurationError, match=r"nltk\.downloader"):
        require_punkt.__wrapped__()


def test_punkt_data_is_taken_from_the_wheel_that_carries_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = "llama_index/core/_static/nltk_cache"
    install_wheel(
        tmp_path,
        "llama_index/core/__init__.py",
        f"{data}/tokenizers/punkt_tab/danish/collocations.tab",
        f"{data}/tokenizers/punkt_tab/english/collocations.tab",
    )
    without_punkt(monkeypatch, tmp_path)
    require_punkt.__wrapped__()
    assert nltk.data.path == [str(tmp_path / data)]
    assert "llama_index" not in sys.modules


def test_nltks_own_data_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "tokenizers" / "punkt_tab" / "english").mkdir(parents=True)
    install_wheel(tmp_path, "nltk_cache/tokenizers/punkt_tab/english/collocations.tab")
    without_punkt(monkeypatch, tmp_path)
    monkeypatch.setattr(nltk.data, "path", [str(own)])
    require_punkt.__wrapped__()
    assert nltk.data.path == [str(own)]


def install_wheel(site: Path, *files: str) -> None:
    """A distribution named as the wheel, as pip lays it out."""
    about = site / "llama_index_core-0.0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: llama-index-core\nVersion: 0.0.1\n")
    (about / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("")
