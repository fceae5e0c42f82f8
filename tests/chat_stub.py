"""A chat server on a real socket that speaks OpenAI's API and does wrong what a test tells it to."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

QUESTIONS = {
    "ar": "ما هو الشيء رقم {} في هذا النص؟",
    "bn": "এই লেখায় {} নম্বর বিষয়টি কী?",
    "fi": "Mikä on tämän tekstin asia numero {}?",
    "ja": "この文章の{}番目のことは何ですか？",
    "ko": "이 글의 {}번째 내용은 무엇인가요?",
    "ru": "Что говорится в тексте под номером {}?",
    "te": "ఈ వచనంలో {} వ విషయం ఏమిటి?",
}


def good(languages: list[str], count: int = 5) -> str:
    return json.dumps({code: [QUESTIONS[code].format(n) for n in range(1, count + 1)] for code in languages})


@dataclass(frozen=True)
class Fault:
    """What an answer is instead of a good one; applied to one request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content: Callable[[list[str]], str] | None = None
    """Makes the model's text from the languages asked for."""
    body: bytes | None = None
    """The whole HTTP body."""
    finish_reason: str = "stop"
    drop: bool = False
    """Close the connection without an answer."""
    hang: bool = False
    """Answer nothing for as long as the server lives."""
    drip: bool = False
    """Send a byte now and then."""


@dataclass
class Asked:
    """One request as the server saw it."""

    passage: str
    languages: list[str]
    authorization: str
    body: dict[str, Any]


class ChatStub:
    """``faults`` are used up one a request; ``always`` holds for every request after them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.always: Callable[[Asked], Fault | None] = lambda asked: None
        self.asked: list[Asked] = []
        self.lock = threading.Lock()
        self.url = ""
        self.closed = threading.Event()

    def answer(self, asked: Asked) -> Fault:
        with self.lock:
            self.asked.append(asked)
            if self.faults:
                return self.faults.pop(0)
        return self.always(asked) or Fault()


@contextmanager
def chatting() -> Iterator[ChatStub]:
    stub = ChatStub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            prompt = body["messages"][1]["content"]
            asked = Asked(
                prompt.split("\n")[0].removeprefix("Passage: "),
                re.findall(r"\((\w\w)\)", prompt.split("Questions wanted:")[1].split("\n")[0]),
                self.headers.get("authorization", ""),
                body,
            )
            fault = stub.answer(asked)
            if fault.drop:
                self.close_connection = True
                return
            if fault.hang:
                stub.closed.wait()
                return
            text = (fault.content or good)(asked.languages)
            completion = {
                "choices": [{"message": {"content": text}, "finish_reason": fault.finish_reason}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10},
            }
            answer = json.dumps(completion).encode() if fault.body is None else fault.body
            self.send_response(fault.status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            try:
                for start in range(len(answer)) if fault.drip else ():
                    self.wfile.write(answer[start : start + 1])
                    if stub.closed.wait(0.1):
                        return
                self.wfile.write(answer)
            except OSError:  # the client has given up
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        stub.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield stub
        finally:
            stub.closed.set()
            server.shutdown()
            thread.join()
