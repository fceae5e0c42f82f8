"""ChatClient: requests to a chat server, sent again where that may help."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)

from app.errors import ConfigurationError, GeneratorUnavailable
from offline.generate.sources import ChatSource

_LONGEST_PAUSE_S = 60.0
_TEMPORARY = {408, 409, 425, 429, 500, 502, 503, 504, 529}


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote."""

    text: str
    is_cut: bool
    """Whether it stopped at the token limit."""
    tally: "Counter[str]"


class _Again(Exception):
    """A fault that may be over when asked again."""

    def __init__(self, reason: str, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


class ChatClient:
    """Sends chat completions; the key goes into the header and nowhere else."""

    def __init__(self, source: ChatSource) -> None:
        self._source = source
        headers = {"Authorization": f"Bearer {source.api_key}"} if source.api_key else {}
        limits = httpx.Limits(max_connections=source.concurrency)
        self._http = httpx.Client(headers=headers, timeout=source.timeout_s, limits=limits)
        self._closed = threading.Event()
        self._url = f"{source.base_url.rstrip('/')}/chat/completions"

    def complete(self, system: str, prompt: str, schema: dict[str, Any], seed: int) -> Completion:
        """One answer.

        Raises:
            GeneratorUnavailable: the server stayed down, busy or unintelligible for ``retry_s``.
            ConfigurationError: it refuses the key, the model or the request; asking again is no use.
        """
        body = {
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
        retrying = Retrying(
            retry=retry_if_exception_type(_Again),
            wait=_pause,
            stop=stop_any(stop_after_delay(self._source.retry_s), stop_when_event_set(self._closed)),
            sleep=sleep_using_event(self._closed),
            reraise=True,
        )
        try:
            completion = retrying(self._send, body)
        except _Again as error:
            raise GeneratorUnavailable(
                f"the chat server {self._url} does not answer as it should: {error}, for {self._source.retry_s:g} s; "
                "run the same command again when it does, it goes on where it was"
            ) from error
        completion.tally["requests_sent_again"] += retrying.statistics.get("attempt_number", 1) - 1
        return completion

    def _send(self, body: dict[str, Any]) -> Completion:
        try:
            response = self._http.post(self._url, json=body)
        except (httpx.TransportError, httpx.DecodingError, RuntimeError) as error:  # RuntimeError: closed meanwhile
            raise _Again(str(error) or type(error).__name__) from error
        if response.status_code in _TEMPORARY:
            raise _Again(f"{response.status_code} {_reason(response)}", _retry_after_s(response))
        if response.status_code in (401, 403):
            raise ConfigurationError(
                f"the chat server refuses the key ({response.status_code} {_reason(response)}); set XQG_CHAT_API_KEY"
            )
        if response.status_code == 404:
            raise ConfigurationError(
                f"{self._url} or its model {self._source.model!r} is not there ({_reason(response)}); "
                "check --base-url and --model"
            )
        if not response.is_success:
            raise ConfigurationError(
                f"the chat server refuses the request ({response.status_code} {_reason(response)}); "
                "does it know --structured json_schema? json_object and none ask for less"
            )
        try:
            answer = response.json()
            choice = answer["choices"][0]
            usage = answer.get("usage") or {}
            tally = Counter(
                requests=1,
                prompt_tokens=int(usage.get("prompt_tokens") or 0),
                completion_tokens=int(usage.get("completion_tokens") or 0),
            )
            return Completion(choice["message"]["content"] or "", choice.get("finish_reason") == "length", tally)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise _Again("the answer is no chat completion") from error

    def close(self) -> None:
        """Nothing is sent again from now on."""
        self._closed.set()
        self._http.close()


_backoff = wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE_S)


def _pause(state: RetryCallState) -> float:
    """What the server asked for, else a random pause that grows."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause_s if isinstance(error, _Again) else None
    return _backoff(state) if asked is None else min(asked, _LONGEST_PAUSE_S)


def _retry_after_s(response: httpx.Response) -> float | None:
    """``Retry-After`` in either of its forms, None where there is none."""
    header = response.headers.get("retry-after", "").strip()
    if header.isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _reason(response: httpx.Response) -> str:
    """What the server says of itself, short and on one line."""
    try:
        error = response.json()["error"]
        text = error["message"] if isinstance(error, dict) else error
    except (ValueError, LookupError, TypeError):
        text = response.text
    return " ".join(str(text).split())[:200] or response.reason_phrase
