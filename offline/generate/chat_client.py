"""ChatClient: requests to a chat server, sent again where that may help."""

import asyncio
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from app.errors import ConfigurationError, GeneratorUnavailable
from offline.again import Again, asking_again, retry_after_s
from offline.generate.sources import ChatSource

_LONGEST_ANSWER_BYTES = 4 * 2**20
_TEMPORARY = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_OF_THIS_PASSAGE = {400, 413, 422}


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote."""

    text: str
    is_cut: bool
    """Whether it stopped at the token limit."""
    tally: "Counter[str]"


class PassageRefused(Exception):
    """The server takes other requests, but not this one: too long for it, or its filter objects."""


class ChatClient:
    """Sends chat completions; the key goes into the header and nowhere else.  Lives on one event loop."""

    def __init__(self, source: ChatSource) -> None:
        self._source = source
        headers = {"Authorization": f"Bearer {source.api_key}"} if source.api_key else {}
        self._http = httpx.AsyncClient(headers=headers, timeout=source.timeout_s)
        self._at_once = asyncio.Semaphore(source.concurrency)
        self._url = f"{source.base_url.rstrip('/')}/chat/completions"
        self._has_answered = False

    async def complete(self, system: str, prompt: str, schema: dict[str, Any], seed: int) -> Completion:
        """One answer.

        Raises:
            PassageRefused: this request is refused, though others were not.
            GeneratorUnavailable: the server stayed down, busy or unintelligible for ``retry_s``.
            ConfigurationError: it refuses the key, the model or every request; asking again is no use.
        """
        body: dict[str, Any] = {
            "model": self._source.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
            "temperature": self._source.temperature,
            "max_tokens": self._source.max_new_tokens,
            "seed": seed,
        }
        if self._source.structured == "json_schema":
            strict = {"name": "queries", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": strict}
        elif self._source.structured == "json_object":
            body["response_format"] = {"type": "json_object"}
        retrying = asking_again(self._source.retry_s)
        try:
            completion: Completion = await retrying(self._send, body)
        except Again as error:
            raise GeneratorUnavailable(
                f"the chat server {self._url} does not answer as it should: {error}, for {self._source.retry_s:g} s; "
                "run the same command again when it does, it goes on where it was"
            ) from error
        self._has_answered = True
        completion.tally["requests_sent_again"] += retrying.statistics.get("attempt_number", 1) - 1
        return completion

    async def _send(self, body: dict[str, Any]) -> Completion:
        async with self._at_once:
            try:
                async with asyncio.timeout(self._source.timeout_s):  # httpx's own is for each read
                    response = await self._receive(body)
            except TimeoutError as error:
                raise Again(f"no whole answer within {self._source.timeout_s:g} s") from error
            except (httpx.TransportError, httpx.DecodingError) as error:
                raise Again(self._without_key(str(error)) or type(error).__name__) from error
        if not response.is_success:
            raise self._refusal(response)
        try:
            answer = response.json()
            choice = answer["choices"][0]
            text = choice["message"]["content"] or ""
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise Again("the answer is no chat completion") from error
        if not isinstance(text, str):
            raise Again("the answer is no text")
        usage = answer.get("usage")
        spent = {name: _count(usage, name) for name in ("prompt_tokens", "completion_tokens")}
        return Completion(text, choice.get("finish_reason") == "length", Counter(requests=1, **spent))

    async def _receive(self, body: dict[str, Any]) -> httpx.Response:
        async with self._http.stream("POST", self._url, json=body) as response:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _LONGEST_ANSWER_BYTES:
                    raise Again("the answer is endless")
            return httpx.Response(response.status_code, headers=_plain(response.headers), content=bytes(content))

    def _refusal(self, response: httpx.Response) -> Exception:
        """What to do about an answer that is none."""
        status, reason = response.status_code, self._reason(response)
        if status in _TEMPORARY:
            return Again(f"{status} {reason}", retry_after_s(response.headers))
        if status in _OF_THIS_PASSAGE and self._has_answered:
            return PassageRefused(f"the server refuses the request ({status} {reason})")
        remedy = {
            301: "give the address that it redirects to as --base-url",
            302: "give the address that it redirects to as --base-url",
            307: "give the address that it redirects to as --base-url",
            308: "give the address that it redirects to as --base-url",
            400: "does it know --structured json_schema? json_object and none ask for less",
            401: "set XQG_CHAT_API_KEY to a key that it takes",
            402: "it wants to be paid first",
            403: "set XQG_CHAT_API_KEY to a key that it takes",
            404: f"check --base-url and --model: is the model {self._source.model!r} there?",
        }.get(status, "check --base-url, --model and --structured")
        return ConfigurationError(f"the chat server {self._url} refuses the request ({status} {reason}); {remedy}")

    def _reason(self, response: httpx.Response) -> str:
        """What the server says of itself, short and on one line."""
        try:
            error = response.json()["error"]
            text = error["message"] if isinstance(error, dict) else error
        except (ValueError, LookupError, TypeError, RecursionError):
            text = response.text
        return self._without_key(" ".join(str(text).split()))[:200] or response.reason_phrase

    def _without_key(self, text: str) -> str:
        return text.replace(self._source.api_key, "***") if self._source.api_key else text

    async def close(self) -> None:
        await self._http.aclose()


def _count(usage: object, name: str) -> int:
    """A count of tokens, 0 where the server tells none that makes sense: no answer is lost for its accounting."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return int(value) if isinstance(value, int | float) and math.isfinite(value) and value >= 0 else 0


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """Without what tells how the body, now decoded, was packed."""
    return {name: value for name, value in headers.items() if name not in ("content-encoding", "content-length")}
