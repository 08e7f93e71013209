"""``hutchbatch completion``: subcommands and options by the Tab key."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from ...text import terminal
from .common import CommandError, Help, Subcommands, epilog

EXTRA = 'pip install "snakemake-executor-plugin-hutchbatch[cli]"'
SHELLS = ("bash", "zsh", "fish")
_FOLDERS = ("directory", "dir", "folder")


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "completion",
        help="complete subcommands and options with the Tab key",
        description=(
            "Prints a script for your shell that completes hutchbatch's subcommands and options\n"
            "when you press Tab. Do it again after an upgrade."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch completion bash > ~/.local/share/bash-completion/completions/hutchbatch\n"
            "  hutchbatch completion zsh > ~/.zfunc/_hutchbatch        with ~/.zfunc in fpath\n"
            "  hutchbatch completion fish > ~/.config/fish/completions/hutchbatch.fish"
        ),
        formatter_class=Help,
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        import shtab  # noqa: PLC0415 - only this needs the extra
    except ModuleNotFoundError as error:
        raise CommandError(f"hutchbatch completion needs shtab: {EXTRA}") from error
    whole: Callable[[], argparse.ArgumentParser] = options.parser
    parser = whole()
    for action in _actions(parser):
        if action.type is Path:
            complete = shtab.DIRECTORY if action.dest in _FOLDERS else shtab.FILE
            action.complete = complete  # type: ignore[attr-defined]
    terminal.say_exactly(shtab.complete(parser, options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)
