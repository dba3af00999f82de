"""The options of the converter's commands, from their parsers."""

import argparse
from collections.abc import Iterator

from converter import command
from converter.evaluation import command as evaluation
from docs.markdown import code, table

_HEAD = ("option", "default", "meaning")


def convert() -> str:
    """The options of `python -m converter`."""
    return _tables(command.parser())


def evaluate() -> str:
    """The options of `python -m converter evaluate`."""
    return _tables(evaluation.parser())


def _tables(parser: argparse.ArgumentParser) -> str:
    groups = [(group.title or "", list(_rows(group))) for group in parser._action_groups]
    shown = [(title, rows) for title, rows in groups if rows]
    parts = [f"{title[:1].upper()}{title[1:]}:\n\n{table(_HEAD, rows)}" for title, rows in shown]
    return "\n\n".join([*parts, *([parser.epilog] if parser.epilog else [])])


def _rows(group: "argparse._ArgumentGroup") -> Iterator[tuple[str, str, str]]:
    for action in group._group_actions:
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
            yield code(_written(action)), _default(action), str(action.help)


def _written(action: argparse.Action) -> str:
    name = action.option_strings[0] if action.option_strings else str(action.metavar or action.dest.upper())
    if not action.option_strings or action.nargs == 0:
        return name
    given = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    return f"{name} {given}"


def _default(action: argparse.Action) -> str:
    if action.default in (None, False, ()):
        return ""
    default = action.default
    if isinstance(default, float):
        return code(f"{default:g}")
    return code(",".join(map(str, default)) if isinstance(default, tuple) else f"{default}")
