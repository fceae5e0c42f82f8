"""Closed- and open-loop HTTP load over keep-alive connections, cheap enough to share the server's cores.

Closed loop: each connection sends a request when the one before is answered, so the server sets the
pace.  Open loop: requests are due at a fixed rate whatever the server does, and latency counts from
the moment a request was due, so a server that stalls is charged for all who would have waited
(closed loops hide them: coordinated omission).
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

T = TypeVar("T")
_PATIENCE_S = 60.0
"""How long after the end of the load an answer is waited for."""
_RECONNECT_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and what a good answer holds."""

    host: str
    port: int
    method: str
    path: str
    content: Callable[[str], bytes]
    """The body for a question, or for a GET what follows the path."""
    expected: bytes

    def request(self, question: str) -> bytes:
        """The bytes of one HTTP/1.1 request."""
        content = self.content(question)
        if self.method == "GET":
            return b"GET %b%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (self.path.encode(), content, self.host.encode())
        return (
            b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (self.path.encode(), self.host.encode(), len(content))
        ) + content


@dataclass(slots=True)
class Answers:
    """What came back; latencies in seconds, beside the moment each request was sent or due."""

    seconds: float
    in_time: int = 0
    """Good answers before the load's end; later ones count for latency alone."""
    latencies_s: list[float] = field(default_factory=list)
    due_s: list[float] = field(default_factory=list)
    """Since the load began."""
    errors: Counter[str] = field(default_factory=Counter)
    error_due_s: list[float] = field(default_factory=list)
    client_cpu_s: float = 0.0

    @property
    def requests(self) -> int:
        return len(self.latencies_s) + self.errors.total()

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.in_time / self.seconds

    def quantile_ms(self, share: float) -> float:
        return quantile_ms(self.latencies_s, share)


def quantile_ms(latencies_s: list[float], share: float) -> float:
    """The latency that this share of requests stays within, in ms; NaN without any."""
    ordered = sorted(latencies_s)
    return 1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way; a protocol costs half of what streams do."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body.

        Raises:
            ConnectionError: the connection broke, or the answer has no Content-Length.
        """
        self._buffer.clear()
        self._needed = 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._answer is None or self._answer.done():
            return
        if not self._needed:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            length = head.find(b"\r\ncontent-length:")
            if length < 0:
                self._answer.set_exception(ConnectionError("the answer has no Content-Length"))
                return
            line_end = head.find(b"\r", length + 2)
            self._body_at = end + 4
            self._needed = end + 4 + int(head[length + 17 : line_end if line_end > 0 else None])
        if len(self._buffer) >= self._needed:
            self._answer.set_result((int(self._buffer[9:12]), bytes(self._buffer[self._body_at : self._needed])))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(f"the server closed the connection: {error}"))

    @property
    def closed(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()


async def closed_loop(target: Target, questions: Iterator[str], connections: int, seconds: float) -> Answers:
    """Each connection asks as fast as it is answered."""
    load = _Load(target, questions, seconds)

    async def user() -> None:
        while time.perf_counter() < load.end:
            await load.ask(time.perf_counter())

    return await load.finish([asyncio.create_task(user()) for _ in range(connections)])


async def open_loop(
    target: Target, questions: Iterator[str], rate: float, seconds: float, connections: int = 256
) -> Answers:
    """``rate`` requests a second, evenly spaced; at most ``connections`` under way, the rest wait and are charged."""
    load = _Load(target, questions, seconds)
    room = asyncio.Semaphore(connections)

    async def one(due: float) -> None:
        async with room:
            await load.ask(due)

    tasks = []
    for number in range(int(rate * seconds)):
        due = load.began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    return await load.finish(tasks)


class _Load:
    """One load under way: its idle connections, the one used last first, and its answers."""

    def __init__(self, target: Target, questions: Iterator[str], seconds: float) -> None:
        self._target = target
        self._questions = questions
        self._idle: list[Connection] = []
        self._answers = Answers(seconds)
        self._cpu_s = time.process_time()
        self.began = time.perf_counter()
        self.end = self.began + seconds

    async def ask(self, due: float) -> None:
        """One request; ``due`` is when its latency begins, on the clock of ``began``."""
        answers = self._answers
        try:
            connection = await self._connection()
            status, body = await connection.ask(self._target.request(next(self._questions)))
        except OSError as error:
            self._count_error(str(error), due)
            await asyncio.sleep(_RECONNECT_PAUSE_S)
            return
        now = time.perf_counter()
        self._idle.append(connection)
        if status != 200 or self._target.expected not in body:
            self._count_error(f"{status}: {body[:200].decode(errors='replace')}", due)
            return
        answers.latencies_s.append(now - due)
        answers.due_s.append(due - self.began)
        answers.in_time += now <= self.end

    async def finish(self, tasks: list[asyncio.Task[None]]) -> Answers:
        """Wait for what is under way, close the connections, and return what came back."""
        done, late = await asyncio.wait(tasks, timeout=max(0.0, self.end - time.perf_counter()) + _PATIENCE_S)
        for task in late:
            task.cancel()
            self._count_error(f"no answer within {_PATIENCE_S:g} s of the end", self.end)
        for task in done:
            task.result()  # a fault of this program is no error of the server's
        for connection in self._idle:
            connection.close()
        self._answers.client_cpu_s = time.process_time() - self._cpu_s
        return self._answers

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:  # a server may close what was idle for long
                return connection
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._target.host, self._target.port)
        return connection

    def _count_error(self, reason: str, due: float) -> None:
        self._answers.errors[reason] += 1
        self._answers.error_due_s.append(due - self.began)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it is installed, else on asyncio's own loop, which costs more CPU."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        from asyncio import new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)
