"""Removes what a bed consists of, whether it was closed properly or killed half-way.

Found by four ways, because any one can be incomplete: the journal, the marker in the processes' environment,
the bed's control groups (containers), the mounts below its directory.
"""

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from e2e.cluster import cgroup, process
from e2e.cluster.interface import BedError
from e2e.cluster.layout import Layout
from e2e.cluster.state import Journal, Kind, Resource

SHIM_SOCKETS = Path("/run/containerd/s")
CONTAINER_LOGS = Path("/var/log/containers")
CNI_RESULTS = Path("/var/lib/cni/results")


def has_leftovers(layout: Layout) -> bool:
    """Whether anything of the bed is still there."""
    return layout.root.exists()


def remove_bed(layout: Layout) -> None:
    """Remove everything of the bed; returns when it is gone. Safe to repeat after an interruption."""
    resources = Journal(layout.journal).resources()
    kill_all(layout, resources, [r.name for r in resources if r.kind is Kind.CGROUP])
    for resource in _distinct(resources, Kind.NAMESPACE):
        _remove_namespace(resource.name)
    for resource in _distinct(resources, Kind.LINK):
        subprocess.run(["ip", "link", "delete", resource.name], capture_output=True, check=False)
    forget_containers(layout.root.glob("nodes/*/run"))
    unmount_below(layout.root)
    _unlink_container_logs(layout)
    for resource in _distinct(resources, Kind.CGROUP):
        cgroup.remove(resource.name)
    if layout.root.exists():
        shutil.rmtree(layout.root)


def kill_all(layout: Layout, resources: Iterable[Resource], groups: Sequence[str]) -> None:
    """Kill at once: the listed processes, everything marked as this bed's, and all containers in `groups`."""
    listed = [r for r in resources if r.kind is Kind.PROCESS]
    process.end([*listed, *process.marked_processes(layout)], seconds=0)
    # A shim may have been starting while we looked; what it started is in the groups.
    process.end([*process.marked_processes(layout), *members(groups)], seconds=0)


def members(groups: Sequence[str]) -> Iterator[Resource]:
    """All processes in these control groups of a bed: its containers."""
    for group in groups:
        for pid in cgroup.members(group):
            if started := process.started_at(pid):
                yield Resource(Kind.PROCESS, group, pid, started)


def _distinct(resources: Iterable[Resource], kind: Kind) -> Iterable[Resource]:
    return dict.fromkeys(r for r in resources if r.kind is kind)


def _remove_namespace(name: str) -> None:
    path = Path("/run/netns") / name
    if path.exists():
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def forget_containers(states: Iterable[Path]) -> None:
    """Remove what killed containers leave in fixed places: their shims' sockets, their networks' results.

    Only the state directories of the containerds say which are ours: call this before they are removed.
    """
    for bundle in (bundle for state in states for bundle in state.glob("io.containerd.runtime.v2.task/*/*")):
        for result in CNI_RESULTS.glob(f"*-{bundle.name}-*"):
            result.unlink()
        address = bundle / "address"
        if address.exists():
            socket = Path(address.read_text().strip().removeprefix("unix://"))
            if socket.parent == SHIM_SOCKETS:
                socket.unlink(missing_ok=True)


def _unlink_container_logs(layout: Layout) -> None:
    """Remove the links to the bed's logs that the kubelet makes in a fixed place."""
    for link in CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{layout.root}/"):
            link.unlink()


def mounts_below(root: Path, mountinfo: str) -> tuple[str, ...]:
    """Mount points below `root`, innermost first, from the text of /proc/self/mountinfo (proc(5))."""
    points = (line.split()[4] for line in mountinfo.splitlines() if line)
    # The kernel writes blanks and the like as octal escapes.
    plain = (point.encode().decode("unicode_escape") for point in points)
    return tuple(sorted((p for p in plain if p.startswith(f"{root}/")), reverse=True))


def unmount_below(root: Path) -> None:
    """Unmount all below `root`; raises where one stays, since removing files then could hit another's."""
    mountinfo = Path("/proc/self/mountinfo")
    for point in mounts_below(root, mountinfo.read_text()):
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    if left := mounts_below(root, mountinfo.read_text()):
        raise BedError(f"still mounted, so nothing below is removed: {', '.join(left)}")
