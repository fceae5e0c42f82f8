"""Progress of long work: a live bar in a terminal, a line now and then in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_LOG_INTERVAL_S = 15.0

console = Console(markup=False, emoji=False, highlight=False)
"""What the commands print to: texts and names as they are, with no markup in them."""


class Advance(Protocol):
    """Tell how many passages and how many texts were done since the last call."""

    def __call__(self, passages: int, texts: int) -> None: ...


@contextmanager
def progress(console: Console, title: str, total: int, done: int = 0, unit: str = "passages") -> Iterator[Advance]:
    """Show passages done of ``total`` with rate and time left; ``done`` came from an earlier start."""
    began = time.monotonic()
    embedded = 0
    now = done

    def rate() -> str:
        return f"{embedded / max(time.monotonic() - began, 1e-3):,.0f} texts/s"

    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(title, total=total, completed=done, rate="")

            def advance_bar(passages: int, texts: int) -> None:
                nonlocal embedded
                embedded += texts
                bar.update(task, advance=passages, rate=rate() if embedded else "")

            yield advance_bar
        return

    logged = began

    def advance_log(passages: int, texts: int) -> None:
        nonlocal embedded, now, logged
        now, embedded = now + passages, embedded + texts
        seconds = time.monotonic()
        if seconds - logged < _LOG_INTERVAL_S and now < total:
            return
        logged = seconds
        left = (seconds - began) / max(now - done, 1) * (total - now)
        speed = f", {rate()}" if embedded else ""
        if passages or now > done:
            console.print(f"{title}: {now:,} of {total:,} {unit}{speed}, about {left:,.0f} s left")

    yield advance_log
