"""The benchmark's load client against a real server that counts, lies, stalls and hangs up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

from deploy.benchmarks.load_client import Target, closed_loop, open_loop

Answer = Callable[[str], Awaitable[tuple[int, str]]]


class Server:
    """Answers each body with what ``answer`` makes of it, and remembers what it was asked."""

    def __init__(self, answer: Answer, hangs_up: bool) -> None:
        self.answer = answer
        self.hangs_up = hangs_up
        self.asked: list[str] = []
        self.connections = 0
        self.handlers: list[asyncio.Task[None]] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.handlers.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.asked.append((await reader.readexactly(length)).decode())
                status, body = await self.answer(self.asked[-1])
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                if self.hangs_up:
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def serving(answer: Answer, hangs_up: bool = False) -> AsyncIterator[tuple[Server, Target]]:
    server = Server(answer, hangs_up)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    yield server, Target("127.0.0.1", port, "POST", "/search", str.encode, b"hits")
    listener.close()
    await listener.wait_closed()
    await asyncio.gather(*server.handlers)


def numbered() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"question {number}"


async def quick(_: str) -> tuple[int, str]:
    await asyncio.sleep(0.002)
    return 200, "hits"


async def test_a_closed_loop_sends_each_question_once_over_as_many_connections_as_asked() -> None:
    async with serving(quick) as (server, target):
        answers = await closed_loop(target, numbered(), 4, 0.3)
    assert server.connections == 4
    assert len(server.asked) == len(set(server.asked)) == answers.requests == len(answers.latencies_s)
    assert not answers.errors
    assert min(answers.latencies_s) >= 0.002
    assert answers.requests - 4 <= answers.in_time <= answers.requests


async def test_a_wrong_status_and_a_wrong_body_are_errors_and_no_answers() -> None:
    async def answer(question: str) -> tuple[int, str]:
        await asyncio.sleep(0.002)
        return (503, "busy hits") if question.endswith("1") else (200, "nothing" if question.endswith("2") else "hits")

    async with serving(answer) as (server, target):
        answers = await closed_loop(target, numbered(), 2, 0.3)
    wrong = sum(question.endswith(("1", "2")) for question in server.asked)
    assert answers.errors.keys() == {"503: busy hits", "200: nothing"}
    assert answers.errors.total() == wrong == len(answers.error_due_s)
    assert len(answers.latencies_s) == len(server.asked) - wrong


async def test_an_open_loop_charges_a_stall_to_all_who_were_due_meanwhile() -> None:
    async def stalls_once(question: str) -> tuple[int, str]:
        await asyncio.sleep(0.5 if question == "question 5" else 0)
        return 200, "hits"

    async with serving(stalls_once) as (_, target):
        answers = await open_loop(target, numbered(), rate=100, seconds=0.6, connections=1)
    # due every 10 ms: of the 50 due while one request took 500 ms, the first 40 waited for 100 ms or more
    assert sum(latency >= 0.1 for latency in answers.latencies_s) >= 40
    assert answers.requests == 60
    assert not answers.errors


async def test_a_connection_that_the_server_closed_while_idle_is_replaced_without_an_error() -> None:
    async with serving(quick, hangs_up=True) as (server, target):
        answers = await open_loop(target, numbered(), rate=20, seconds=0.5)
    assert server.connections == answers.requests == 10
    assert not answers.errors


async def test_nobody_listening_is_an_error_per_attempt() -> None:
    async with serving(quick) as (_, target):
        pass
    answers = await closed_loop(target, numbered(), 1, 0.2)
    assert answers.errors
    assert not answers.latencies_s
