"""Run on a head: one task on each node of the Ray cluster. Prints where; ends with 1 when one is missing."""

import socket
import sys

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

EXPECTED = int(sys.argv[1])


@ray.remote(num_cpus=0.5)
def where_am_i() -> str:
    """Return the name of the pod that runs this task."""
    return socket.gethostname()


ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
tasks = [
    where_am_i.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
    for node in nodes
]
pods = sorted(ray.get(tasks, timeout=120))
print(f"a task ran on each of {len(pods)} nodes:")
for pod in pods:
    print(f"  {pod}")
sys.exit(0 if len(set(pods)) == EXPECTED else 1)
