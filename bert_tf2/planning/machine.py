"""What memory this machine has for a training step."""

import os
import shutil
import subprocess
from pathlib import Path


def available(device):
    """Bytes that a step may take here: a GPU's, or what the machine and its container have left."""
    if device == "gpu":
        if not (found := gpu_bytes()):
            raise ValueError("There is no GPU that nvidia-smi lists: give --memory_gb.")
        return found
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    meminfo, group = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if meminfo.is_file():
        rows = [line.split() for line in meminfo.read_text("ascii").splitlines()]
        limits += [int(row[1]) * 1024 for row in rows if row[0] == "MemAvailable:"]
    if group.is_file() and (limit := group.read_text("ascii").strip()).isdigit():
        limits.append(int(limit))
    return min(limits)


def gpu_bytes():
    """The memory of the first GPU that nvidia-smi lists and is not hidden; 0 if there is none."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not shutil.which("nvidia-smi"):
        return 0
    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    first = said.split("\n")[0].strip()
    return int(first) * 2**20 if first.isdigit() else 0
