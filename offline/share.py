"""Share: the part of a job that one worker of several does."""

import re
from dataclasses import dataclass

from app.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Share:
    """Part ``number`` (from 1) of ``of``; the whole job by default."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Share":
        """``"2/8"``.

        Raises:
            ConfigurationError: it is no such part.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ConfigurationError(f"--shard {text}: write I/N with I from 1 to N, such as 1/8")
        return cls(int(found[1]), int(found[2]))

    def units(self, count: int) -> range:
        """This worker's of ``count`` units: consecutive, and as many as the others' up to one."""
        return range(count * (self.number - 1) // self.of, count * self.number // self.of)

    @property
    def is_whole(self) -> bool:
        return self.of == 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"
