"""The test bed: a real Kubernetes for the demo, the tests and the benchmarks. See e2e/README.md."""

from e2e.cluster.choice import open_cluster
from e2e.cluster.interface import BedError, Cluster, Component, Profile, UnsupportedError

__all__ = ["BedError", "Cluster", "Component", "Profile", "UnsupportedError", "open_cluster"]
