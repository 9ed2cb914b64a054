"""What a container's own command does before it goes to sleep.

Under the legacy operators a pod only slept, and Ray was started in it from outside; so users' files end in
``sleep infinity & wait``, ``tail -f /tmp/raylogs`` and the like, some after real work (``ldconfig``, mounts).
That work is wanted, the sleep isn't. Shell text is read here as far as is needed to find the sleep for sure:
at the top level, outside quotes. Where it can't be found, the whole command is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from posixpath import basename

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_TOKEN = re.compile(
    r"(?P<space>(?:[ \t\r]|\\\n)+)"
    r"|(?P<comment>\#[^\n]*)"
    r"|(?P<operator>&&|\|\||;;|[;&|()\n](?!>))"
    r"|(?P<word>(?:[<>]&|&>|[^\s;&|()'\"\\]|\\.|'[^']*'|\"(?:[^\"\\]|\\.)*\")+)",
    re.DOTALL,
)
_OPENING = frozenset({"if", "for", "case", "while", "until", "select", "{"})
_CLOSING = frozenset({"fi", "done", "esac", "}"})
_BEFORE_COMMAND = frozenset({"then", "do", "else", "elif", "!", "time"})
_LONG = re.compile(r"inf|infinity|\d{5,}s?|\d{3,}m|\d{2,}h|\d+d")
_ENDLESS = (("while", "true"), ("while", ":"), ("while", "sleep"), ("until", "false"))


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A container's command without its keep-alive. ``ends``: one was there, so the rest comes to an end."""

    argv: tuple[str, ...]
    ends: bool


@dataclass(frozen=True, slots=True)
class _Command:
    """A simple command, or a whole loop, at the top level of a script."""

    start: int
    words: tuple[str, ...]
    operator: str
    """What follows it: ``;``, ``&``, ``&&`` … or '' at the end."""


def before_keepalive(argv: tuple[str, ...]) -> OwnCommand | None:
    """Return what of a container's command and args is to be run before Ray; None for nothing."""
    if not argv or _sleeps(argv):
        return None
    script = _script_index(argv)
    if script is None:
        return OwnCommand(argv, ends=False)
    text = argv[script]
    cut = _find_keepalive(text)
    if cut is None:
        return OwnCommand(argv, ends=False)
    if not text[:cut].strip():
        return None
    # 'exit 0' in its place: as before, 'a; sleep infinity' does not ask how 'a' went, 'a && sleep …' does.
    return OwnCommand((*argv[:script], f"{text[:cut]}exit 0", *argv[script + 1 :]), ends=True)


def _script_index(argv: tuple[str, ...]) -> int | None:
    """Return where the text is in ``bash -c text``, or None when the command is something else."""
    if basename(argv[0]) not in _SHELLS:
        return None
    options = list(takewhile(lambda word: word[:1] in {"-", "+"} and word != "--", argv[1:]))
    index = 1 + len(options) + (argv[1 + len(options) : 2 + len(options)] == ("--",))
    given = any("c" in word for word in options if not word.startswith("--"))
    return index if given and index < len(argv) else None


def _find_keepalive(text: str) -> int | None:
    """Return where the keep-alive begins in a shell script, or None when there is none for sure."""
    if "<<" in text:  # a here-document's lines are no commands
        return None
    commands = list(_top_level(text))
    for index, command in enumerate(commands):
        if not _sleeps(command.words) and not _loops(command.words):
            continue
        following = commands[index + 1].words[:1] if index + 1 < len(commands) else ()
        if command.operator != "&" or following == ("wait",):
            return command.start
    return None


def _sleeps(words: tuple[str, ...]) -> bool:
    """Return whether a command does nothing but last."""
    if words[:1] == ("exec",):
        words = words[1:]
    match [basename(word) for word in words[:1]], words[1:]:
        case ["sleep"], rest:
            return any(_LONG.fullmatch(word) for word in rest)
        case ["tail"], rest:
            return any(re.match(r"-\w*[fF]|--follow", word) for word in rest)
        case _:
            return False


def _loops(words: tuple[str, ...]) -> bool:
    return words[:2] in _ENDLESS and not {"break", "exit"} & set(words)


def _top_level(text: str) -> Iterator[_Command]:
    """Yield a script's top-level commands; none at all where its structure can't be told."""
    found: list[_Command] = []
    words: list[str] = []
    start = depth = position = 0
    fresh = True  # the next word begins a command
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return
        match token.lastgroup, token[0]:
            case "word", word:
                if not words:
                    start = position
                if fresh:
                    depth += (word in _OPENING) - (word in _CLOSING)
                fresh = fresh and word in _OPENING | _BEFORE_COMMAND
                words.append(word)
            case "operator", operator:
                depth += (operator == "(") - (operator == ")")
                fresh = True
                if depth == 0 and words and operator not in "()":
                    found.append(_Command(start, tuple(words), operator))
                    words = []
            case _:
                pass
        position = token.end()
    if depth == 0:
        yield from found
        if words:
            yield _Command(start, tuple(words), "")
