"""One writer a folder, or one a share of it; a lock goes with its process, however that ends."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from app.errors import RunConflict
from offline.share import Share

PREFIX = ".lock"
"""How the names of lock files begin."""


@contextmanager
def worker_lock(folder: Path, share: Share = Share()) -> Iterator[None]:  # noqa: B008, frozen
    """Hold a share of the folder.

    Raises:
        RunConflict: another process holds the same share, or works on the folder in other shares.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with FileLock(folder / f"{PREFIX}-guard"):  # or workers that start together would find one another looking
            own = folder / f"{PREFIX}-{share.number}-of-{share.of}"
            held.enter_context(_held(own, f"another process is writing {folder}; wait for it or give another folder"))
            for other in folder.glob(f"{PREFIX}-*-of-*"):
                if not other.name.endswith(f"-of-{share.of}"):
                    parts = other.name.removeprefix(f"{PREFIX}-").replace("-of-", "/")
                    with _held(other, f"another process is writing part {parts} of {folder}; give all the same N"):
                        pass
        yield


@contextmanager
def setup_lock(folder: Path, console: Console) -> Iterator[None]:
    """Hold what the workers of a folder do once, such as checking the corpus; the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{PREFIX}-setup")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f"waiting for another worker that prepares {folder}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def refuse_strangers(folder: Path, ours: set[str]) -> None:
    """Leave a folder alone that holds more than ``ours``, locks and what a write left half done.

    Raises:
        RunConflict: it does.
    """
    found = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    strangers = {name for name in found - ours if not name.startswith(PREFIX) and not name.endswith(".partial")}
    if strangers:
        raise RunConflict(f"{folder} holds other files ({min(strangers)}); give another folder")


@contextmanager
def _held(path: Path, complaint: str) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunConflict(complaint) from error
    try:
        yield
    finally:
        lock.release()
