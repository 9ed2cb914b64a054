"""Where the nodes' containerds keep images: in memory where there is room for it, on disk elsewhere.

Unpacking Ray five times makes 400,000 files. Writing and removing them on a disk takes minutes of the kernel's
time; in memory the one takes seconds and the other none.
"""

import subprocess
from pathlib import Path

from e2e.cluster.layout import Layout

ROOM = 16 * 2**30  # free memory from which on images may live in it: five nodes take up to 6 GiB, Ray as much
SIZE = "10g"


def make_stores(layout: Layout) -> None:
    """Make the directory that holds a store for each node; removed with the bed's directory and its mounts."""
    layout.stores.mkdir()
    if available_memory(Path("/proc/meminfo").read_text()) >= ROOM:
        options = f"size={SIZE},mode=0711"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "rayctl-bed", layout.stores], check=True)


def available_memory(meminfo: str) -> int:
    """Bytes that programs can have, from the text of /proc/meminfo (proc(5))."""
    values = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    return int(values.get("MemAvailable", "0 kB").split()[0]) * 1024
