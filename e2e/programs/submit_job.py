"""Submit a job to a dashboard's API, wait for its end and print its log: `submit_job.py URL ENTRYPOINT`."""

import json
import sys
import time
import urllib.request
from typing import Any

URL, ENTRYPOINT = sys.argv[1:3]
DEADLINE = time.monotonic() + 180


def call(path: str, body: dict[str, str] | None = None) -> Any:
    """Return what the job API answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/api/jobs/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


job = call("", {"entrypoint": ENTRYPOINT})["submission_id"]
print(f"submitted {job}")
status = "PENDING"
while status not in {"SUCCEEDED", "FAILED", "STOPPED"}:
    if time.monotonic() > DEADLINE:
        sys.exit(f"job {job} is still {status} after 180 s")
    time.sleep(0.5)
    status = call(job)["status"]
print(call(f"{job}/logs")["logs"].rstrip())
print(f"job {job} {status}")
sys.exit(0 if status == "SUCCEEDED" else 1)
