"""What is wrong with a ``podConfig``, told before the API server is asked to make pods of it.

Only what no admission plugin could mend and what Kubernetes refuses itself, so that no file which works is
turned away: the point is to say it in one go, early, with the field's path and the remedy. All the rest of a
Pod passes unread, and the API server judges it when the pod is made.
"""

from __future__ import annotations

import re
from fractions import Fraction

from rayctl.api.document import Reader, find_deeper, shown
from rayctl.api.names import Role, pod_name_prefix
from rayctl.api.quantity import parse_quantity

MAX_DEPTH = 50
"""Levels in a pod. Kubernetes' own fields have a dozen; encoders of JSON end at some 250."""

MAX_ARGUMENT = 131_071
"""Bytes of one argument of a program: Linux starts none with more."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VARIABLE = re.compile(r"[ -<>-~]+")
_STANDARD = re.compile(r"cpu|memory|ephemeral-storage|hugepages-.+")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
_GIVE_NAME = "give it a name"


def check_pod(parent: Reader, cluster: str) -> None:
    """Note what is wrong with the ``podConfig`` of a pod type. ``cluster`` is the RayCluster's name."""
    deep = find_deeper(parent.mapping("podConfig"), MAX_DEPTH)
    if deep is not None:
        problem = f"mappings and lists stand more than {MAX_DEPTH} deep in each other"
        fix = "no Pod is like that; look for a bracket or an indent too many"
        parent.wrong(f"podConfig.{deep}" if deep else "podConfig", problem, fix)
        return
    pod = parent.inner("podConfig")
    for key, only in (("apiVersion", "v1"), ("kind", "Pod")):
        if pod.text(key, only) != only:
            pod.wrong(key, f"{shown(pod.value[key])} where a Pod is needed", f"write {key}: {only}")
    _check_metadata(pod.inner("metadata"), cluster)
    _check_spec(pod.inner("spec"))


def check_arguments(reader: Reader, key: str) -> None:
    """Note which of a list of commands or arguments could not be handed to a program."""
    for index, command in enumerate(reader.texts(key) or ()):
        if len(command.encode(errors="surrogatepass")) > MAX_ARGUMENT:
            reader.wrong(
                f"{key}[{index}]",
                f"more than {MAX_ARGUMENT} bytes, which Linux passes to no program",
                "put it into a file, of the image or of a ConfigMap, and run that",
            )
        if "\0" in command:
            reader.wrong(f"{key}[{index}]", "there is a NUL character in it", "take it away")


def _check_metadata(metadata: Reader, cluster: str) -> None:
    metadata.strings("labels")
    metadata.strings("annotations")
    given = metadata.text("generateName")
    if given and not _SUBDOMAIN.fullmatch(f"{pod_name_prefix(cluster or 'x', Role.WORKER, given)}x"):
        metadata.wrong(
            "generateName",
            f"the pods' names begin with it, and {shown(given)} is no beginning of one",
            "write such as ray-worker-: a-z, 0-9, '-', and '.' between two of the others",
        )
    for index, owner in enumerate(metadata.each("ownerReferences")):
        if owner.flag("controller"):
            metadata.wrong(
                f"ownerReferences[{index}].controller",
                "a pod has one controller, and that is its RayCluster",
                "write false, or leave it out",
            )


def _check_spec(spec: Reader) -> None:
    names: set[str] = set()
    for key in ("containers", "initContainers"):
        for container in spec.each(key):
            _check_name(container, names)
            _check_container(container)
    volumes: set[str] = set()
    for volume in spec.each("volumes"):
        _check_name(volume, volumes)
    policy = spec.text("restartPolicy")
    if policy and policy not in RESTART_POLICIES:
        one_of = ", ".join(RESTART_POLICIES)
        spec.wrong("restartPolicy", f"{shown(policy)} is no restart policy", f"write one of {one_of}")
    grace = spec.value.get("terminationGracePeriodSeconds")
    if not _is_whole(grace):
        spec.wrong(
            "terminationGracePeriodSeconds", f"{shown(grace)} is no number of seconds", "write such as 30"
        )
    spec.strings("nodeSelector")


def _check_name(thing: Reader, taken: set[str]) -> None:
    """Note what is wrong with the name of a container or volume, and add it to those that are taken."""
    name = thing.text("name")
    if not name:
        thing.wrong("name", "there is none", _GIVE_NAME)
    elif not _LABEL.fullmatch(name):
        rule = "write a-z, 0-9 and '-', the first and last no '-', 63 at most"
        thing.wrong("name", f"{shown(name)} is not what Kubernetes calls a name", rule)
    elif name in taken:
        thing.wrong("name", f"{shown(name)} is there already", "give each one a name of its own")
    taken.add(name)


def _check_container(container: Reader) -> None:
    image = container.text("image")
    if not image:
        container.wrong("image", "there is none", "name the image that the container runs")
    elif image != image.strip():
        container.wrong("image", f"{shown(image)} has spaces around it", "take them away")
    for key in ("command", "args"):
        check_arguments(container, key)
    for entry in container.each("env"):
        _check_variable(entry)
    for port in container.each("ports"):
        _check_port(port)
    _check_sizes(container.inner("resources"))


def _check_variable(entry: Reader) -> None:
    name, value = entry.text("name"), entry.text("value")
    if not name:
        entry.wrong("name", "a variable without a name", _GIVE_NAME)
    elif not _VARIABLE.fullmatch(name):
        entry.wrong("name", f"{shown(name)} is no name of a variable", "write ASCII letters, digits and '_'")
    if value and entry.mapping("valueFrom"):
        entry.wrong(
            "valueFrom", "a variable has a value, or a place that it is from", "leave one of them out"
        )
    if "\0" in value:
        entry.wrong("value", "there is a NUL character in it", "take it away")
    if len(name.encode(errors="surrogatepass") + value.encode(errors="surrogatepass")) >= MAX_ARGUMENT:
        entry.wrong(
            "value",
            f"more than {MAX_ARGUMENT} bytes, which Linux passes to no program",
            "mount a file with it",
        )


def _check_port(port: Reader) -> None:
    number = port.count("containerPort")
    if number is not None and not 1 <= number <= 65535:
        port.wrong("containerPort", f"{number} is no port", "write a number from 1 to 65535")
    elif number is None and port.value.get("containerPort") is None:
        port.wrong("containerPort", "there is none", "write the number that the container listens on")


def _check_sizes(resources: Reader) -> None:
    requests, limits = resources.inner("requests"), resources.inner("limits")
    asked, most = _sizes(requests), _sizes(limits)
    for name in asked.keys() & most.keys():
        limit = shown(limits.value[name])
        # What cannot be shared with another pod is given whole: there is nothing between request and limit.
        if "/" in name and asked[name] != most[name]:
            requests.wrong(name, f"not the same as the limit, {limit}", "write the limit alone")
        elif asked[name] > most[name]:
            problem = f"{shown(requests.value[name])} is more than the limit, {limit}"
            requests.wrong(name, problem, "lower it, or raise the limit")


def _sizes(section: Reader) -> dict[str, Fraction]:
    """Return the amounts of ``requests`` or ``limits`` that can be read, and note those that cannot."""
    sizes: dict[str, Fraction] = {}
    for name, value in section.value.items():
        if value is None:
            continue
        try:
            sizes[name] = amount = parse_quantity(value)
        except ValueError as error:
            section.wrong(name, str(error), "write a number, and a unit such as m, Mi or Gi where it has one")
            continue
        if amount < 0:
            section.wrong(name, f"{shown(value)} is negative", "write 0 or more")
        elif "/" in name and amount.denominator != 1:
            section.wrong(name, f"{shown(value)} is not a whole number", "Kubernetes does not share devices")
        elif "/" not in name and not _STANDARD.fullmatch(name):
            known = "cpu, memory and ephemeral-storage"
            section.wrong(
                name,
                f"Kubernetes has no such resource; it has {known}",
                "put the domain before it: nvidia.com/gpu",
            )
    return sizes


def _is_whole(value: object) -> bool:
    return value is None or (
        not isinstance(value, bool)
        and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    )
