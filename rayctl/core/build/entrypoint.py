"""The shell script that a Ray pod's container runs: always this text, whatever the user wrote.

It takes all data as arguments, so no user's text is ever pasted into it. It needs bash, coreutils, ``/proc``
and Ray. It holds neither ``$(`` nor ``$$``, which the kubelet would read as its own. ``ray start`` leaves
processes behind; the script lives as long as the ``raylet`` and the ``gcs_server`` among them. Its exit code:
that of the command that failed, 1 when Ray ended by itself, 143 when the pod was told to end.
"""

from __future__ import annotations

SCRIPT = r"""
# Written by rayctl. Arguments: options, then -- and the commands to run one by one; the last starts Ray.
say() { printf 'rayctl: %s\n' "$1" >&2; }

# In the background, so that a signal is heeded at once, but open to interrupts as in the foreground.
start() { ( trap - INT QUIT; exec "$@" ) & }

# A login, interactive shell for each command, as legacy operators had it. Descriptor 9 spares us what bash
# says about the lack of a terminal.
start_shell() {
  start bash --login -i -c 'exec 2>&9 9>&-
if [ -r ~/.bashrc ]; then . ~/.bashrc; fi
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" PYTHONWARNINGS="${PYTHONWARNINGS:-ignore}"
eval "shift
$1"' bash "$1" 9>&2 2>/dev/null
}

pause() { sleep "$1" & wait "$!"; }

is_alive() {
  local state
  { read -r _ _ state _ < "/proc/$1/stat"; } 2>/dev/null && [[ $state != [ZX] ]]
}

reaches() { timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2"; }

# Copies a file to stdout while it grows. The copier ends once its keeper has, nothing left to copy.
follow() {
  touch "$1" || return
  sleep infinity & keeper=$!
  tail -n +1 -F -s 0.2 --pid="$keeper" "$1" 2>/dev/null & follower=$!
}

finish() {
  if [[ $follower ]]; then
    kill "$keeper"
    wait "$follower"
  fi 2>/dev/null
  exit "$1"
}

run_own() {
  local child status began=$SECONDS
  start "${own[@]}"
  child=$!
  while [[ $own_kind == --beside ]] && is_alive "$child"; do
    if (( SECONDS - began >= patience )); then
      say "the container's own command goes on; Ray runs beside it"
      return
    fi
    pause 0.1
  done
  wait "$child" || {
    status=$?
    say "the container's own command failed with exit code $status, so Ray is not started"
    finish "$status"
  }
}

await_head() {
  local error address next=$SECONDS
  until error=`reaches "$RAY_HEAD_IP" "$head_port" 2>&1`; do
    if (( SECONDS >= next )); then
      error=${error##*: }
      say "waiting for Ray on the head, $RAY_HEAD_IP:$head_port (${error:-no answer})"
      (( next = SECONDS + 10 ))
    fi
    pause 0.5
  done
  if read -r address _ < <(getent ahostsv4 "$RAY_HEAD_IP" 2>/dev/null); then
    export RAY_HEAD_IP=$address
  fi
}

# In a PID namespace of its own all is ours; where pods or containers share one, our mark tells. (A bare
# 'return' in a trap's function would give the status of what the signal interrupted.)
is_ours() {
  local entry
  (( BASHPID == 1 )) && return 0
  while IFS= read -r -d '' entry; do
    [[ $entry == "RAYCTL_CONTAINER=$RAYCTL_CONTAINER" ]] && return 0
  done 2>/dev/null < "/proc/$1/environ"
  return 1
}

find_ray() {
  local stat pid name
  ray=()
  for stat in /proc/[0-9]*/stat; do
    { read -r pid name _ < "$stat"; } 2>/dev/null || continue
    if [[ $name == "(raylet)" || $name == "(gcs_server)" ]] && is_alive "$pid" && is_ours "$pid"; then
      name=${name#(}
      ray[$pid]=${name%)}
    fi
  done
}

# The value of a process's option, in REPLY.
read_option() {
  local word
  REPLY=
  while IFS= read -r -d '' word; do
    [[ $word == "--$2="* ]] && REPLY=${word#*=}
  done 2>/dev/null < "/proc/$1/cmdline"
}

hold() {
  local pid logs began=$SECONDS
  find_ray
  if [[ " ${ray[*]} " != *" raylet "* ]]; then
    say "the commands ended well, but left no raylet running; the last one must start Ray"
    finish 1
  fi
  for pid in "${!ray[@]}"; do
    read_option "$pid" log_dir
    logs=${REPLY:-$logs}
  done
  say "Ray runs"
  while :; do
    for pid in "${!ray[@]}"; do
      is_alive "$pid" && continue
      say "${ray[$pid]} ended, so the container ends; its last lines:"
      tail -n 20 "$logs/${ray[$pid]}.out" "$logs/${ray[$pid]}.err" >&2 2>/dev/null
      finish 1
    done
    if [[ $agent_port ]] && (( SECONDS - began >= 60 )); then
      reaches 127.0.0.1 "$agent_port" 2>/dev/null ||
        say "nothing answers on port $agent_port (Ray's dashboard agent), so the pod cannot become ready:" \
          "install ray[default] in the image, or give the container a readinessProbe"
      agent_port=
    fi
    pause 1
  done
}

# Keeps new tasks away and waits for the running ones: for as long as they may take, or the head is there.
drain() {
  local node address command drainer limit=${RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S%.*} deadline
  read_option "$1" node_id
  node=$REPLY
  read_option "$1" gcs-address
  address=$REPLY
  if ! [[ $node && $address && $limit -gt 0 ]]; then return; fi
  say "running tasks have $limit seconds to end"
  printf -v command 'ray drain-node --address %q --node-id %q --deadline-remaining-seconds %q %s' \
    "$address" "$node" "$limit" "--reason DRAIN_NODE_REASON_PREEMPTION --reason-message 'its pod is to end'"
  start_shell "$command >/dev/null"
  drainer=$!
  (( deadline = SECONDS + limit ))
  while is_alive "$1" && (( SECONDS < deadline )) && reaches "${address%:*}" "${address##*:}" 2>/dev/null; do
    if [[ $drainer ]] && ! is_alive "$drainer"; then
      wait "$drainer" || return
      drainer=
    fi
    pause 0.2
  done
}

# Ends the processes of a name: end_all NAME TENTHS-OF-A-SECOND-TO-WAIT.
end_all() {
  local pid left=$2
  for pid in "${!ray[@]}"; do
    [[ ${ray[$pid]} == "$1" ]] && kill -TERM "$pid" 2>/dev/null || continue
    while is_alive "$pid" && (( left-- > 0 )); do pause 0.1; done
  done
}

# The head goes at once: it is the cluster, and while it lingers its Service leads to it.
stop() {
  local pid tenths=50
  trap : TERM INT
  say "told to end"
  find_ray
  if [[ $head_port ]]; then
    for pid in "${!ray[@]}"; do drain "$pid"; done
    # Without a head the raylet would only try to take leave of it.
    reaches "$RAY_HEAD_IP" "$head_port" 2>/dev/null || tenths=5
  fi
  end_all raylet "$tenths"
  end_all gcs_server 10  # it would wait for each connection, and has nothing to lose
  finish 143
}

declare -A ray
export RAYCTL_CONTAINER=$BASHPID.$RANDOM$RANDOM
own=() own_kind= head_port= agent_port= keeper= follower= patience=0 alone=0
trap stop TERM INT
until [[ $1 == -- ]]; do
  case $1 in
    --before|--beside) own_kind=$1 own=("${@:3:$2}"); shift "$2" ;;
    --patience) patience=$2 ;;
    --follow) follow "$2" ;;
    --head-port) head_port=$2 ;;
    --alone) alone=$2 ;;
    --agent-port) agent_port=$2 ;;
  esac
  shift 2
done
shift
if [[ $own_kind ]]; then run_own; fi
for command; do
  if [[ $head_port ]] && (( alone-- == 0 )); then await_head; fi
  say "running: $command"
  start_shell "$command"
  wait "$!" || {
    status=$?
    say "failed with exit code $status, so Ray is not started: $command"
    finish "$status"
  }
done
hold
"""
"""Run as ``bash -c SCRIPT rayctl OPTION… -- COMMAND…``, with these options:

``--before N WORD…``: run these N words as a program to its end, first of all.
``--beside N WORD…``: the same, but go on while it runs when it has not ended in time.
``--patience SECONDS``: how long that is.
``--follow FILE``: copy the file to stdout while it grows.
``--head-port PORT``: this is a worker; wait until ``$RAY_HEAD_IP:PORT`` accepts connections …
``--alone N``: … after the first N commands, which don't need the head.
``--agent-port PORT``: the readiness probe is ours and asks there; say so when nothing ever answers.
"""
