"""A container, nearly: the script as bash runs it on this machine, with stand-ins for Ray's programs."""

import os
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from rayctl.core.build.entrypoint import SCRIPT

# `ray start` leaves a raylet (and a gcs_server on a head) behind, as the real one does. All note what befalls
# them in the file $NOTES.
RAY = r"""#!/bin/bash
printf 'ray %s\n' "$*" >> "$NOTES"
case $1 in
  start)
    names=raylet
    [[ $* == *--head* ]] && names='gcs_server raylet'
    for name in $names; do
      "$name" --log_dir="$LOGS" --node_id=0a1b --gcs-address="127.0.0.1:$GCS_PORT" &> /dev/null &
      until grep -qs "$name is up" "$NOTES"; do sleep 0.02; done
    done
    ;;
  drain-node) if [[ $DRAINS == yes ]]; then touch "$HOME/drained"; fi ;;
esac
"""
DAEMON = r"""#!/bin/bash
name=${0##*/}
trap 'echo "$name got TERM" >> "$NOTES"; exit' TERM
echo "the last words of $name" > "$LOGS/$name.err"
echo "$BASHPID" > "$HOME/$name.pid"
echo "$name is up" >> "$NOTES"
until [[ -e $HOME/drained ]]; do sleep 0.05; done
echo "$name is drained" >> "$NOTES"
"""


@dataclass
class Container:
    """A run of the script, in a home of its own."""

    home: Path
    process: "subprocess.Popen[str] | None" = None
    environment: dict[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()

    def start(self, *args: str, **variables: str) -> None:
        environment = {**self.environment, **variables}
        self.process = subprocess.Popen(
            [*self.wrapper, "/bin/bash", "-c", SCRIPT, "rayctl", *args],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str, **variables: str) -> tuple[int, str]:
        """Run to the end; return exit code and output."""
        self.start(*args, **variables)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        assert self.process is not None
        output, _ = self.process.communicate(timeout=15)
        return self.process.returncode, output

    def output_until(self, text: str) -> str:
        """Read the output up to a line with that text."""
        assert self.process is not None
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if text in line:
                return "".join(lines)
        raise AssertionError(f"{text!r} is not in the output:\n{''.join(lines)}")

    def tell(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end_ray(self, name: str) -> None:
        os.kill(int((self.home / f"{name}.pid").read_text()), signal.SIGKILL)

    @property
    def notes(self) -> list[str]:
        return (self.home / "notes").read_text().splitlines()


def port_of(server: socket.socket) -> str:
    return str(server.getsockname()[1])
