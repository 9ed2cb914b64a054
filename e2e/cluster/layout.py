"""Where everything of a bed lies, and what its things in the kernel are called.

One directory a bed, `$RAYCTL_BED_DIR/<name>` (default `/var/lib/rayctl-bed/<name>` for root). Names in the
kernel carry a tag made from that directory, so that beds of any name and place can stand side by side.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.interface import BedError

NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
MARKER = "RAYCTL_BED_MARKER"  # in the environment of every process of a bed; its value is the bed's directory


def beds_directory() -> Path:
    """The directory that holds all beds of this user."""
    if chosen := os.environ.get("RAYCTL_BED_DIR"):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/rayctl-bed")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "rayctl-bed"


def cache_directory() -> Path:
    """What is worth keeping between beds: programs and images, by version."""
    if chosen := os.environ.get("RAYCTL_CACHE"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rayctl"


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths and kernel names of one bed."""

    root: Path

    @classmethod
    def of(cls, name: str) -> "Layout":
        """The layout of the bed called `name`; refuses names that would not fit everywhere they are used."""
        if not NAME.fullmatch(name):
            raise BedError(f"{name!r} cannot name a bed: use up to 32 of a-z, 0-9 and '-', a letter first")
        return cls(beds_directory() / name)

    @property
    def tag(self) -> str:
        """Six characters that tell this bed from all others, for names of 15 characters at most."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:6]

    @property
    def lock(self) -> Path:
        """Beside it, as it outlives the bed."""
        return self.root.with_name(f"{self.root.name}.lock")

    @property
    def facts(self) -> Path:
        """Fixed facts, JSON."""
        return self.root / "bed.json"

    @property
    def journal(self) -> Path:
        """The journal of made things, JSON lines."""
        return self.root / "journal.jsonl"

    @property
    def keys(self) -> Path:
        """Certificates and private keys."""
        return self.root / "pki"

    @property
    def stores(self) -> Path:
        """One directory a node: its images."""
        return self.root / "stores"

    @property
    def logs(self) -> Path:
        """One log a process, and the API server's audit log."""
        return self.root / "log"

    @property
    def audit_log(self) -> Path:
        """Each finished API request, JSON lines, metadata only."""
        return self.logs / "audit.jsonl"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of a component or node."""
        return self.root / "kubeconfigs" / user

    @property
    def bridge(self) -> str:
        """The host's bridge that the nodes hang on."""
        return f"rb{self.tag}"

    def namespace(self, node: str) -> str:
        """A node's network namespace."""
        return f"rayctl-{self.tag}-{node}"

    def node(self, node: str) -> Path:
        """A node's own directory."""
        return self.root / "nodes" / node
