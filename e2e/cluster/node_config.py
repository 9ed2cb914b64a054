"""The configuration files of one node: containerd, its network plugin (CNI) and the kubelet."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

CPUS = 2  # what each node reports, so that a bed is the same on any machine with at least two
PAUSE_IMAGE = "localhost/pause:1"


@dataclass(frozen=True, slots=True)
class NodePaths:
    """Where a node keeps what a real one has in /etc, /run and /var/lib."""

    root: Path
    store: Path
    """Images, and the containers' file systems."""

    @property
    def socket(self) -> Path:
        """Containerd's socket."""
        return self.root / "containerd.sock"

    @property
    def containerd_config(self) -> Path:
        """Containerd's configuration."""
        return self.root / "containerd.toml"

    @property
    def containerd_state(self) -> Path:
        """What containerd has in /run: gone after a reboot."""
        return self.root / "run"

    @property
    def leases(self) -> Path:
        """Which pod has which address: gone after a reboot."""
        return self.root / "leases"

    @property
    def network_config(self) -> Path:
        """Directory of the CNI configuration."""
        return self.root / "cni"

    @property
    def kubelet_config(self) -> Path:
        """The kubelet's configuration."""
        return self.root / "kubelet.yaml"

    @property
    def kubelet_root(self) -> Path:
        """The kubelet's directory: volumes and the like."""
        return self.root / "kubelet"

    @property
    def pod_logs(self) -> Path:
        """Containers' logs."""
        return self.root / "pod-logs"


def containerd_config(paths: NodePaths, mirrors: Path) -> str:
    """Containerd's configuration, version 2, which containerd 1.6 to 2.x read.

    `restrict_oom_score_adj`: without CAP_SYS_RESOURCE no process may lower its score, and containers would not
    start. The `opt` plugin would make /opt/containerd on the machine.
    """
    return f"""\
version = 2
root = {json.dumps(str(paths.store))}
state = {json.dumps(str(paths.containerd_state))}
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
  address = {json.dumps(str(paths.socket))}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = {json.dumps(str(paths.network_config))}

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = {json.dumps(str(mirrors))}
"""


def network_config(name: str, paths: NodePaths, pods: str) -> str:
    """CNI: a bridge in the node. No masquerading: pods see each other's real addresses, as routes exist."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(paths.leases),
            "ranges": [[{"subnet": pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": name, "plugins": [bridge, portmap]}, indent=2)


def kubelet_config(paths: NodePaths, keys: Path, node: str, dns: str, cgroup: str) -> str:
    """The kubelet's configuration; everything it writes is below the node's directory."""
    config: Mapping[str, object] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,  # an old machine's kernel is what CI gives us
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(keys / "ca.crt")},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(keys / f"{node}.crt"),
        "tlsPrivateKeyFile": str(keys / f"{node}.key"),
        "clusterDNS": [dns],
        "clusterDomain": "cluster.local",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "containerRuntimeEndpoint": f"unix://{paths.socket}",
        "podLogsDir": str(paths.pod_logs),
        "volumePluginDir": str(paths.root / "volume-plugins"),
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        # The machine's disk and memory are everybody's: a bed must not delete images or pods over them.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        "maxPods": 60,
        "nodeLeaseDurationSeconds": 12,  # renewed each quarter of it, well within the controller's grace period
        "systemReserved": {"cpu": str(reserved_cpus(os.cpu_count() or CPUS))},
    }
    return yaml.safe_dump(dict(config), sort_keys=False)


def reserved_cpus(machine: int) -> int:
    """How many of the machine's CPUs a node must not offer, so that CPUS are left."""
    return max(0, machine - CPUS)
