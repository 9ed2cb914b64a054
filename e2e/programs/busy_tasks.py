"""Run on a head: so many tasks of one CPU each, for so many seconds. Prints the pods that ran them."""

import os
import sys
import time

import ray

TASKS, SECONDS = int(sys.argv[1]), float(sys.argv[2])


@ray.remote(num_cpus=1)
def work() -> str:
    """Be busy, and return the name of the pod that was."""
    time.sleep(SECONDS)
    return os.environ["RAY_CLOUD_INSTANCE_ID"]


ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
pods = ray.get([work.remote() for _ in range(TASKS)], timeout=300)
print(f"{TASKS} tasks ran on {len(set(pods))} nodes:")
for pod in sorted(set(pods)):
    print(f"  {pod}: {pods.count(pod)}")
