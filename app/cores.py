"""How many CPU cores this process may use."""

import os
from pathlib import Path


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores granted by the scheduler mask and by the container's CPU quota, at least 1.

    The host's core count is the wrong number in a container: threads beyond the quota are
    throttled and make every search slower.  Reads cgroup v2 ``cpu.max`` (quota and period in
    microseconds) and cgroup v1 ``cpu.cfs_quota_us``; a quota of 1.5 cores counts as 2.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return cores
    if quota.lstrip("-").isdigit() and int(quota) > 0:
        cores = min(cores, -(-int(quota) // int(period)))
    return max(1, cores)
