"""GitHub's runner, as far as it reads what a step prints and writes: which lines are orders, and what they say.

After `ActionCommand` and `ActionCommandManager` of the runner: a line is an order if it begins with `::`, but for
blanks, or has `##[` anywhere, and names a command that there is; after `stop-commands` the only one is that which it
names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

KNOWN = {
    "stop-commands", "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice",
    "remove-matcher", "save-state", "set-env", "set-output", "warning",
}  # fmt: skip
NEW = re.compile(r"\s*::(?P<name>[^\s:]*)(?: (?P<properties>.*?))?::(?P<data>.*)", re.DOTALL)
OLD = re.compile(r".*?##\[(?P<name>[^\]\s]*)(?: (?P<properties>[^\]]*))?\](?P<data>.*)", re.DOTALL)


@dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str] = field(default_factory=dict)
    data: str = ""


def commands(log: str) -> list[Command]:
    """The orders in what a step printed; those that switch orders off and on are left out."""
    found: list[Command] = []
    token = ""
    for line in re.split(r"\r\n|\r|\n", log):
        known = {*KNOWN, token} if token else KNOWN
        command = _parse(line, known)
        if command is None or (token and command.name != token):
            continue
        if command.name == token:
            token = ""
        elif command.name == "stop-commands":
            token = command.data.lower()
        else:
            found.append(command)
    assert not token, "orders were not switched on again"
    return found


def outputs(content: str) -> dict[str, str]:
    """The values in a file such as `GITHUB_OUTPUT`."""
    values: dict[str, str] = {}
    lines = iter(content.splitlines())
    for line in lines:
        if not line:
            continue
        name, sign, value = re.fullmatch(r"([^=<]*)(=|<<)(.*)", line).groups()  # type: ignore[union-attr]
        if sign == "<<":
            parts = []
            for part in lines:
                if part == value:
                    break
                parts.append(part)
            value = "\n".join(parts)
        values[name] = value
    return values


def _parse(line: str, known: set[str]) -> Command | None:
    for form, separator in ((NEW, ","), (OLD, ";")):
        match = form.fullmatch(line)
        if match and match["name"].lower() in known:
            pairs = [pair.split("=", 1) for pair in (match["properties"] or "").split(separator) if "=" in pair]
            properties = {name: _unescaped(value) for name, value in pairs}
            return Command(match["name"].lower(), properties, _unescaped(match["data"]))
    return None


def _unescaped(text: str) -> str:
    for code, sign in (
        ("%0D", "\r"),
        ("%0A", "\n"),
        ("%3A", ":"),
        ("%2C", ","),
        ("%5D", "]"),
        ("%3B", ";"),
        ("%25", "%"),
    ):
        text = text.replace(code, sign)
    return text
