"""A server under load: started, watched and stopped, with all the processes that it starts itself."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.benchmarks.load_client import Target

ROOT = Path(__file__).parents[2]
_START_LIMIT_S = 180.0
_STOP_LIMIT_S = 30.0
_POLL_PAUSE_S = 0.02
_LOG_CHARS = 500
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process and its descendants, added up."""

    cpu_s: float
    resident: int
    """Bytes now; pages that several processes map count once for each."""
    own: int
    """The part of ``resident`` that maps no file; the kernel can drop the rest when memory is wanted."""
    peak: int
    """Sum of each process's highest resident size, bytes."""
    descriptors: int
    threads: int


def usage(pid: int) -> Usage:
    """Read from ``/proc``; a process that ends while it is read is left out."""
    cpu_s, resident, own, peak, descriptors, threads = 0.0, 0, 0, 0, 0, 0
    todo = [pid]
    while todo:
        process = Path("/proc", str(todo.pop()))
        with contextlib.suppress(OSError):
            ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
            status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
            cpu_s += sum(map(int, ticks)) / _TICKS
            if "VmRSS" in status:  # a zombie has none
                resident += int(status["VmRSS"].split()[0]) * 1024
                own += int(status["RssAnon"].split()[0]) * 1024
                peak += int(status["VmHWM"].split()[0]) * 1024
            threads += int(status["Threads"])
            descriptors += len(list((process / "fd").iterdir()))
            for task in (process / "task").iterdir():
                todo += map(int, (task / "children").read_text().split())
    return Usage(cpu_s, resident, own, peak, descriptors, threads)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def ask_once(target: Target, question: str) -> bytes:
    """The body of one good answer, over a connection of its own.

    Raises:
        OSError: nobody listens, or the answer is not a good one.
    """
    connection = http.client.HTTPConnection(target.host, target.port, timeout=60)
    try:
        content = target.content(question)
        if target.method == "GET":
            connection.request("GET", target.path + content.decode())
        else:
            connection.request("POST", target.path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()
    if answer.status != 200 or target.expected not in body:
        raise ConnectionError(f"{answer.status}: {body[:300].decode(errors='replace')}")
    return body


class ServerFailed(Exception):
    """It ended, or did not answer in time; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that has answered; ``first_answer_s`` counts from the start of the process."""

    pid: int
    target: Target
    first_answer_s: float


@contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str],
    target_at: Callable[[int], Target],
    question: str,
    log: Path,
) -> Iterator[Server]:
    """Start it on a free port (``{port}`` in command and environment), wait for a first answer, stop it at the end.

    Raises:
        ServerFailed: it did not come up.
    """
    port = free_port()
    target = target_at(port)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("XQG_")}
    given = {name: value.replace("{port}", str(port)) for name, value in environment.items()}
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with log.open("w") as sink:
        process = subprocess.Popen(  # noqa: S603, commands of this folder
            [part.replace("{port}", str(port)) for part in command],
            cwd=ROOT,
            env=inherited | given,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(process.pid, target, _until_answered(process, target, question, began, log))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):  # children that outlived it
            os.killpg(process.pid, signal.SIGKILL)


def _until_answered(process: subprocess.Popen[bytes], target: Target, question: str, began: float, log: Path) -> float:
    reason = ""
    while time.perf_counter() < began + _START_LIMIT_S:
        if process.poll() is not None:
            raise ServerFailed(f"it ended with exit code {process.returncode}; the end of {log}: {_end(log)}")
        try:
            ask_once(target, question)
        except OSError as error:
            reason = str(error)
            time.sleep(_POLL_PAUSE_S)
        else:
            return time.perf_counter() - began
    raise ServerFailed(f"no answer within {_START_LIMIT_S:g} s ({reason}); the end of {log}: {_end(log)}")


def _end(log: Path) -> str:
    return log.read_text(errors="replace")[-_LOG_CHARS:]
