"""Answer recall: is an answer among the first tokens that were retrieved?

R@2kt and R@5kt are defined by XOR-TyDi QA (Asai et al., NAACL 2021, section 3.1) and by its
script ``evals/eval_xor_retrieve.py`` (github.com/AkariAsai/XORQA), which they follow to the
letter: the hits' texts are split by NLTK's ``word_tokenize`` and laid end to end, the first 2,000
or 5,000 tokens are joined by single spaces, and an answer counts where it is a substring of the
result.  Nothing is normalised.  That has two sides:

- ``1`` is found in ``1963``.  The strict variant wants the answer to stand alone.
- ``Geneva, Switzerland`` is never found, since the text reads ``Geneva , Switzerland``; nor is
  ``10%``.  Of 968 XOR-TyDi questions whose answer is in a known passage, 35 can never be hit.
  The strict variant keeps this, so that it is the official score less the doubtful hits.
"""

import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, islice

from nltk.tokenize import word_tokenize

from offline.evaluate.metrics.punkt import require_punkt

TOKENS = {"R@2kt": 2_000, "R@5kt": 5_000}
"""Metric to the number of tokens that it reads."""

STRICT_SUFFIX = " strict"

ANSWER_METRICS = (*TOKENS, *(f"{name}{STRICT_SUFFIX}" for name in TOKENS))
"""All that ``answer_scores`` gives."""

_NO_SPANS = ("yes", "no")

# The places where a word or a number goes on: between two word characters, and around a
# separator within a number, as in 5,000 or 3.14 or 10:30.
_GOES_ON = re.compile(r"(?<=\w)\w|(?<=\d)[.,:]\d|(?<=\d[.,:])\d")


def answer_scores(texts: Iterable[str], answers: Iterable[str]) -> dict[str, float | None]:
    """Every metric of ``ANSWER_METRICS`` for one question, 0 or 1; None where no answer is a span.

    Args:
        texts: texts of the hits, best first; read only as far as 5,000 tokens go.  A ranking that
            ends before has fewer tokens to find an answer in, so ask for enough hits.
        answers: the question's answers as the dataset spells them.

    Raises:
        ConfigurationError: NLTK's Punkt data is missing.
    """
    spans = span_answers(answers)
    if not spans:
        return dict.fromkeys(ANSWER_METRICS)
    tokens = first_tokens(texts, max(TOKENS.values()))
    scores: dict[str, float | None] = {}
    for name, max_tokens in TOKENS.items():
        context = " ".join(tokens[:max_tokens])
        scores[name] = float(holds_answer(context, spans))
        scores[name + STRICT_SUFFIX] = float(holds_answer_alone(context, spans))
    return scores


def span_answers(answers: Iterable[str]) -> list[str]:
    """The answers without ``yes`` and ``no``, which no text has to contain."""
    return [answer for answer in answers if answer not in _NO_SPANS]


def first_tokens(texts: Iterable[str], max_tokens: int) -> list[str]:
    """The first tokens of the texts laid end to end; texts beyond are not read."""
    return list(islice(chain.from_iterable(map(word_tokens, texts)), max_tokens))


@lru_cache(maxsize=100_000)  # the same passages are retrieved for question after question; about 1 kB each
def word_tokens(text: str) -> tuple[str, ...]:
    """NLTK's word tokens of a text.

    Raises:
        ConfigurationError: NLTK's Punkt data is missing.
    """
    require_punkt()
    return tuple(map(sys.intern, word_tokenize(text)))


def holds_answer(context: str, spans: Iterable[str]) -> bool:
    """Whether any of the answers is a substring of the context, as it is."""
    return any(span in context for span in spans)


def holds_answer_alone(context: str, spans: Iterable[str]) -> bool:
    """Whether any of the answers is in the context and is no piece of a longer word or number.

    ``1`` stands alone in ``No. 1`` and in ``( 1 )``, but not in ``1963``, ``1,963`` or ``1st``;
    ``1945`` does in ``1939–1945``, and ``French`` in ``French-speaking``.
    """
    return any(_stands_alone(context, span) for span in spans)


def _stands_alone(context: str, span: str) -> bool:
    start = context.find(span)
    while start >= 0:
        if not (_GOES_ON.match(context, start) or _GOES_ON.match(context, start + len(span))):
            return True
        start = context.find(span, start + 1)
    return False
