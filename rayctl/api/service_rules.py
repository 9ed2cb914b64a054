"""What is wrong with the ports and annotations of the head's Service, told before it is made.

A Service that the API server refuses is a head that nobody reaches, so these are errors of the spec. The
CRD's rules say the same of what they can see; objects that are older than those have only these.
"""

from __future__ import annotations

import re

from rayctl.api.document import Reader, shown

_PORT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_TARGET_NAME = re.compile(r"(?=.{0,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_QUALIFIED = re.compile(
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_MAX_ANNOTATIONS = 262_144
_A_PORT = "write a number from 1 to 65535"


def check_ports(spec: Reader) -> None:
    """Note what is wrong with ``spec.headServicePorts``, each entry's kinds aside."""
    names: set[str] = set()
    numbers: set[int] = set()
    for entry in spec.each("headServicePorts"):
        name, number = entry.text("name"), entry.count("port")
        if not _PORT_NAME.fullmatch(name):
            rule = "write a-z, 0-9 and '-', the first and last no '-', 63 at most"
            entry.wrong("name", f"{shown(name)} is no name of a Service's port", rule)
        elif name in names:
            entry.wrong("name", f"{shown(name)} is there already", "give each port a name of its own")
        if number is None or not 1 <= number <= 65535:
            entry.wrong("port", f"{shown(entry.value.get('port'))} is no port", _A_PORT)
        elif number in numbers:
            entry.wrong("port", f"{number} is there already", "give each port a number of its own")
        _check_target(entry)
        names.add(name)
        numbers.add(number or 0)


def check_annotations(service: Reader) -> None:
    """Note what is wrong with ``spec.headService.annotations``."""
    annotations = service.inner("annotations")
    given = service.strings("annotations")
    for key in given:
        if not _QUALIFIED.fullmatch(key):
            annotations.wrong(key, "no name of an annotation", "write such as example.com/internal")
    size = sum(len(key.encode(errors="surrogatepass")) for pair in given.items() for key in pair)
    if size > _MAX_ANNOTATIONS:
        service.wrong(
            "annotations",
            f"together more than {_MAX_ANNOTATIONS} bytes",
            "Kubernetes keeps no more: shorten them",
        )


def _check_target(entry: Reader) -> None:
    match entry.value.get("targetPort"):
        case bool():
            pass  # told by the parser
        case int() as number if not 1 <= number <= 65535:
            entry.wrong("targetPort", f"{shown(number)} is no port", _A_PORT)
        case str() as name if name.isdecimal():
            entry.wrong("targetPort", f"{shown(name)} is a number in quotes", "take the quotes away")
        case str() as name if name and not _TARGET_NAME.fullmatch(name):
            rule = "write the name as the container's ports have it: a-z, 0-9 and '-', 15 at most"
            entry.wrong("targetPort", f"{shown(name)} is no port's name", rule)
        case _:
            pass
