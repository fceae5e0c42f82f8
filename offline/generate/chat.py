"""Queries by a chat model behind OpenAI's API: one request a passage, checked before it is believed."""

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from itertools import groupby
from typing import Any

import regex
from anyio.from_thread import start_blocking_portal

from app.languages import LANGUAGES
from offline.filter.rules import fault_of, key_of
from offline.generate.chat_client import ChatClient, Completion, PassageRefused
from offline.generate.generator import Answer, Answers, Wanted
from offline.generate.sources import ChatSource

_BY_CODE = {language.code: language for language in LANGUAGES}

_UNPRINTABLE = regex.compile(r"[\p{Cc}\p{Cs}]")  # control characters and halves of surrogate pairs

_SYSTEM = (
    "You write search questions for a cross-lingual search engine. You get an English passage. For each language "
    "asked for, write questions that a native speaker would type and that this passage answers: natural, short, each "
    "about another fact, understandable without the passage, in that language and its usual script. Never translate "
    "whole sentences of the passage. Answer with one JSON object and nothing else: language codes as keys, lists of "
    "questions as values."
)


class ChatGenerator:
    """Asks for all languages of a passage at once, then again for what lacks.

    Requests run on an event loop in a thread of its own, so that closing ends them wherever they are.
    """

    rounds = 3

    def __init__(self, source: ChatSource) -> None:
        self._source = source
        self._running = start_blocking_portal()
        self._portal = self._running.__enter__()
        self._client = self._portal.call(partial(ChatClient, source))
        self._under_way: set[Future[tuple[list[Answer], Counter[str]]]] = set()

    def generate(self, wanted: Sequence[Wanted]) -> Answers:
        passages = [list(group) for _, group in groupby(wanted, key=lambda each: each.passage.docid)]
        futures = [self._portal.start_task_soon(self._ask, group) for group in passages]
        self._under_way.update(futures)
        answers = Answers([])
        try:
            for future in futures:
                given, tally = future.result()
                answers.answers += given
                answers.tally += tally
        finally:
            for future in futures:
                future.cancel()
            self._under_way.difference_update(futures)
        return answers

    async def _ask(self, wanted: Sequence[Wanted]) -> tuple[list[Answer], Counter[str]]:
        """One request for what one passage lacks."""
        seed = self._source.seed + max(each.drawn for each in wanted)
        try:
            completion = await self._client.complete(_SYSTEM, _prompt(wanted), _schema(wanted), seed)
        except PassageRefused as refused:
            return [Answer([], str(refused)) for _ in wanted], Counter(requests=1)
        by_code, problem = parse(completion)
        if problem:
            return [Answer([], problem) for _ in wanted], completion.tally
        return [_accepted(each, by_code.get(each.language)) for each in wanted], completion.tally

    def close(self) -> None:
        """End all requests, whatever they wait for."""
        for future in list(self._under_way):
            future.cancel()
        self._portal.call(self._client.close)
        self._running.__exit__(None, None, None)


def parse(completion: Completion) -> tuple[dict[str, Any], str]:
    """The JSON object of an answer, and what is wrong where it holds none."""
    text = completion.text.strip()
    if text.startswith("```"):
        text = text.strip("`").removeprefix("json").strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if completion.is_cut:
            return {}, "the answer was cut at the token limit (--max-new-tokens)"
        return {}, f"the answer is no JSON: {' '.join(text.split())[:60]!r}"
    if not isinstance(found, dict):
        return {}, "the answer is JSON, but no object"
    return {_code_of(key): value for key, value in found.items()}, ""


def _code_of(key: str) -> str:
    """``"AR"`` and ``"Arabic"`` are ``"ar"``; other keys stay as they are."""
    name = key.strip().lower()
    return next((each.code for each in LANGUAGES if name in (each.code, each.name.lower())), name)


def _accepted(wanted: Wanted, texts: object) -> Answer:
    """Those of a language's questions that keep the rules."""
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return Answer([], "the answer leaves the language out" if texts is None else "the language is no list of texts")
    seen = {key_of(query) for query in wanted.have}
    accepted: list[str] = []
    faults: Counter[str] = Counter()
    for text in texts:
        query = " ".join(_UNPRINTABLE.sub(" ", text).split())
        fault = fault_of(query, _BY_CODE[wanted.language].script, wanted.passage, seen)
        if fault:
            faults[fault] += 1
            continue
        seen.add(key_of(query))
        accepted.append(query)
    if len(accepted) >= wanted.count:
        return Answer(accepted[: wanted.count])
    why = ", ".join(f"{count} {fault}" for fault, count in faults.items())
    return Answer(accepted, f"the answer has {len(texts)} of {wanted.count} queries" + (f" ({why})" if why else ""))


def _prompt(wanted: Sequence[Wanted]) -> str:
    asked = ", ".join(f"{each.count} in {_BY_CODE[each.language].name} ({each.language})" for each in wanted)
    there = {each.language: list(each.have) for each in wanted if each.have}
    others = f"\nDo not repeat these: {json.dumps(there, ensure_ascii=False)}" if there else ""
    return f"Passage: {wanted[0].passage.embedded_text}\n\nQuestions wanted: {asked}.{others}"


def _schema(wanted: Sequence[Wanted]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {each.language: {"type": "array", "items": {"type": "string"}} for each in wanted},
        "required": [each.language for each in wanted],
        "additionalProperties": False,
    }
