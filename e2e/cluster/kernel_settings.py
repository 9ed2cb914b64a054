"""Puts back the kernel's settings that every kubelet changes for the whole machine.

A kubelet sets how the kernel overcommits memory, when it panics and how many keys root may have. The values
from before the first bed are kept beside the beds, and written back when the last bed with nodes goes.
"""

import json
from collections.abc import Mapping
from pathlib import Path

NAMES = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def remember(beds: Path, kernel: Path = Path("/proc/sys")) -> None:
    """Keep the present values, unless those from before an earlier bed are kept."""
    if not _file(beds).exists():
        values = {name: (kernel / name).read_text().strip() for name in NAMES if (kernel / name).exists()}
        _file(beds).write_text(json.dumps(values, indent=2) + "\n")


def restore(beds: Path, kernel: Path = Path("/proc/sys")) -> None:
    """Write the kept values back, where there are any, and forget them."""
    file = _file(beds)
    if not file.exists():
        return
    values: Mapping[str, str] = json.loads(file.read_text())
    for name, value in values.items():
        if (kernel / name).read_text().strip() != value:
            (kernel / name).write_text(value)
    file.unlink()


def _file(beds: Path) -> Path:
    return beds / "kernel-settings.json"
