"""What shells complete, taken from the parsers that read the command line: a flag that exists is offered.

A `Node` is a command, or a command of one.  The scripts know no more than these tables: they walk from the
program's name along the words that are commands, and offer what the one reached takes.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from skitai.cli import instance, main, skitaid, smtpda

__all__ = ["script"]

#: Programs, with the spellings of 0.11.
_PROGRAMS = {
    "skitai": main,
    "skitaid": skitaid,
    "skitaid.py": skitaid,
    "skitaid-instance": instance,
    "skitaid-instance.py": instance,
    "skitai-instance": instance,
    "skitai-instance.py": instance,
    "skitaid-smtpda": smtpda,
    "skitaid-smtpda.py": smtpda,
}


@dataclass(frozen=True, slots=True)
class _Option:
    names: tuple[str, ...]
    help: str
    takes_value: bool
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    path: tuple[str, ...]
    #: What may stand here, with its explanation.
    words: dict[str, str]
    options: tuple[_Option, ...]

    @property
    def name(self) -> str:
        return " ".join(self.path)


def script(shell: str) -> str:
    """``shell``: bash, zsh or fish."""
    lines = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](list(_nodes()))
    return "".join(f"{line}\n" for line in lines)


def _nodes() -> Iterator[_Node]:
    for program, module in _PROGRAMS.items():
        yield from _below((program,), module.command_parser())


def _below(path: tuple[str, ...], parser: argparse.ArgumentParser) -> Iterator[_Node]:
    words: dict[str, str] = {}
    options = []
    children: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if action.option_strings and action.help != argparse.SUPPRESS:
            options.append(_option(action))
        elif isinstance(action, argparse._SubParsersAction):
            children = action.choices
            # Its own list: argparse keeps what add_parser was told as help in these.
            words.update({choice.dest: choice.help or "" for choice in action._choices_actions})
        elif action.choices:
            words.update(dict.fromkeys(map(str, action.choices), ""))
    yield _Node(path, words, tuple(options))
    for name, child in children.items():
        yield from _below((*path, name), child)


def _option(action: argparse.Action) -> _Option:
    return _Option(
        tuple(action.option_strings),
        " ".join((action.help or "").replace("%%", "%").split()),
        action.nargs != 0,
        tuple(map(str, action.choices or ())),
    )


# --- bash and zsh: where we are is the words so far that are commands


def _walk(nodes: list[_Node], words: str) -> Iterator[str]:
    """Sets ``at`` to the name of the node that ``words`` lead to, and ``before`` to the last of these."""
    yield f"    for word in {words}; do"
    yield '        case "$at $word" in'
    yield f'            {"|".join(shlex.quote(n.name) for n in nodes if len(n.path) > 1)}) at="$at $word" ;;'
    yield "        esac"
    yield '        before="$word"'
    yield "    done"


def _valued(node: _Node) -> str:
    return shlex.quote(
        f" {' '.join(n for option in node.options if option.takes_value for n in option.names)} "
    )


def _choices(nodes: list[_Node], command: str) -> Iterator[str]:
    """What follows an option that knows its values."""
    yield '    case "$at $before" in'
    for node in nodes:
        for option in node.options:
            if option.choices:
                names = "|".join(shlex.quote(f"{node.name} {name}") for name in option.names)
                yield f"        {names}) {command.format(shlex.join(option.choices))}; return ;;"
    yield "    esac"


def _bash(nodes: list[_Node]) -> Iterator[str]:
    yield "_skitai() {"
    yield '    local at="${COMP_WORDS[0]##*/}" current="${COMP_WORDS[COMP_CWORD]}"'
    yield "    local before= word words= flags= valued="
    yield from _walk(nodes, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')
    yield from _choices(nodes, "COMPREPLY=($(compgen -W '{}' -- \"$current\"))")
    yield '    case "$at" in'
    for node in nodes:
        flags = " ".join(name for option in node.options for name in option.names)
        yield f"        {shlex.quote(node.name)})"
        yield f"            words={shlex.quote(' '.join(node.words))} flags={shlex.quote(flags)}"
        yield f"            valued={_valued(node)} ;;"
    yield "    esac"
    yield "    COMPREPLY=()"  # then the shell's own: files
    yield '    if [[ -n "$before" && "$valued" == *" $before "* ]]; then return; fi'
    yield '    if [[ "$current" == -* ]]; then words="$flags"; fi'
    yield '    COMPREPLY=($(compgen -W "$words" -- "$current"))'
    yield "}"
    yield f"complete -o bashdefault -o default -F _skitai {' '.join(_PROGRAMS)}"


def _zsh(nodes: list[_Node]) -> Iterator[str]:
    yield f"#compdef {' '.join(_PROGRAMS)}"
    yield "_skitai() {"
    yield '    local at="${words[1]:t}" before= word valued='
    yield "    local -a commands flags"
    yield from _walk(nodes, '"${(@)words[2,CURRENT-1]}"')
    yield from _choices(nodes, "compadd -- {}")
    yield '    case "$at" in'
    for node in nodes:
        flags = [_described(name, option.help) for option in node.options for name in option.names]
        yield f"        {shlex.quote(node.name)})"
        yield f"            commands=({' '.join(_described(*pair) for pair in node.words.items())})"
        yield f"            flags=({' '.join(flags)})"
        yield f"            valued={_valued(node)} ;;"
    yield "    esac"
    yield '    if [[ -n "$before" && "$valued" == *" $before "* ]]; then _files; return; fi'
    yield '    if [[ "${words[CURRENT]}" == -* ]]; then _describe option flags; return; fi'
    yield "    if (( $#commands )); then _describe command commands; else _files; fi"
    yield "}"
    yield f"compdef _skitai {' '.join(_PROGRAMS)}"


def _described(name: str, text: str) -> str:
    return shlex.quote(f"{name}:{text}" if text else name)


# --- fish, which asks of each line whether it holds here


def _fish(nodes: list[_Node]) -> Iterator[str]:
    for node in nodes:
        program, *commands = node.path
        # Of commands with commands of their own, what is below goes before.
        below = [other.path[-1] for other in nodes if other.path[:-1] == node.path]
        seen = [f"__fish_seen_subcommand_from {command}" for command in commands]
        if below:
            seen.append(f"not __fish_seen_subcommand_from {' '.join(below)}")
        start = f"complete -c {program}"
        if seen:
            start += f" -n {_fish_quoted('; and '.join(seen))}"
        for word, text in node.words.items():
            yield f"{start} -f -a {_fish_quoted(word)} -d {_fish_quoted(text)}"
        for option in node.options:
            names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names)
            values = f" -x -a {_fish_quoted(' '.join(option.choices))}" if option.choices else ""
            needed = " -r" if option.takes_value and not option.choices else ""
            yield f"{start} {names}{needed}{values} -d {_fish_quoted(option.help)}"


def _fish_quoted(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{quoted}'"
