"""Which of a run's shards a collection holds, remembered beside the load: what a killed one need not do again.

A mark is made after its shard was written, read back in part and made durable.  The folder belongs
to one collection as one load began it: marks of a collection that was dropped since, or made anew
under the same name, are elsewhere.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from offline.share import Share

_BEGUN = "begun"
_SUFFIX = ".marks"
_END = b"."


class LoadMarks:
    """The marks of one collection; every worker of a load adds to a file of its own."""

    def __init__(self, folder: Path, share: Share, shard_size: int) -> None:
        self.folder = folder
        self._shard_size = str(shard_size)
        self._own = folder / f"{share.number}-of-{share.of}{_SUFFIX}"

    def claim(self) -> None:
        """Make the folder, before the collection is created."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def begin(self) -> None:
        """Note that the collection was created whole, with nothing in it."""
        (self.folder / _BEGUN).write_text(self._shard_size)

    @property
    def begun(self) -> bool:
        """Whether there is a collection to go on with, filled by shards of the same size."""
        path = self.folder / _BEGUN
        return path.is_file() and path.read_text() == self._shard_size

    def shards(self) -> set[int]:
        """What all workers have marked."""
        found: set[int] = set()
        for path in self.folder.glob(f"*{_SUFFIX}"):
            # one without its end was cut by a crash
            found.update(int(mark[:-1]) for mark in path.read_bytes().split() if mark.endswith(_END))
        return found

    def add(self, shards: Iterable[int]) -> None:
        """Mark shards.  A machine that stops may lose a mark, never what it stands for: that is durable before."""
        with self._own.open("ab") as file:
            file.write(b"".join(b"\n%d%b" % (shard, _END) for shard in shards))

    def void(self) -> None:
        """Trust the collection no more: the next load begins it anew."""
        (self.folder / _BEGUN).unlink(missing_ok=True)

    def remove(self) -> None:
        """The collection is complete and needs no marks."""
        shutil.rmtree(self.folder, ignore_errors=True)
