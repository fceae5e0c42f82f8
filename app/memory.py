"""How much memory this process may use."""

from pathlib import Path

_V1_NO_LIMIT = 2**62
"""cgroup v1 has no word for it: it tells 2^63 less a page, whose size is the machine's."""


def memory_limit_bytes(cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that the container may use before the kernel ends it; None where nothing limits it.

    Reads cgroup v2 ``memory.max`` and cgroup v1 ``memory.limit_in_bytes``
    (https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html).
    """
    try:
        told = (cgroup / "memory.max").read_text().strip()
    except OSError:
        try:
            told = (cgroup / "memory/memory.limit_in_bytes").read_text().strip()
        except OSError:
            return None
    if not told.isdigit() or int(told) >= _V1_NO_LIMIT:  # v2 says "max"
        return None
    return int(told)
