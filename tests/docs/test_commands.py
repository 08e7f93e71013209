"""The pages about the command ``hutchbatch`` say what its parsers know."""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.cli.commands import common

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"]


def parsers() -> dict[str, argparse.ArgumentParser]:
    (subcommands,) = (
        a for a in main.parser()._actions if isinstance(a, argparse._SubParsersAction)
    )
    return dict(subcommands.choices)


COMMANDS = parsers()


def section(command: str) -> str:
    """What stands below the heading of a command, to the next heading of its level."""
    for page in PAGES:
        found = re.search(
            rf"^## `hutchbatch {command}`[^\n]*\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S
        )
        if found:
            return found[1]
    raise AssertionError(f"no page has a section about hutchbatch {command}")


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented_and_every_documented_one_exists(command):
    intro = (DOCS / "commands.md").read_text().partition("\n## ")[0]  # of what many have
    text = section(command)
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", intro + text))
    for action in COMMANDS[command]._actions:
        if action.option_strings and action.dest != "help":
            assert named & set(action.option_strings), action.option_strings
    # Longer ones that a section names beside these may be Snakemake's.
    assert set(re.findall(r"`(-[a-z])`", text)) - options(COMMANDS[command]) == set()


def examples() -> list[str]:
    """Lines that begin with the command, in the pages' shell blocks and at the end of helps."""
    texts = [
        block for page in PAGES for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S)
    ]
    texts += [parser.epilog or "" for parser in COMMANDS.values()]
    text = re.sub(r"\\\n\s*", "", "\n".join(texts))
    return re.findall(r"^ *(hutchbatch .*)$", text, re.M)


@pytest.mark.parametrize("example", sorted(set(examples())))
def test_examples_are_understood(example):
    plain = re.sub(r"\s{2,}\S.*$|\s[|>#].*$", "", example)
    try:
        options = main.parser().parse_args(shlex.split(plain)[1:])
        assert callable(options.run)
    except SystemExit as end:
        assert end.code == 0, plain


def test_every_help_has_an_example_and_says_what_its_exit_codes_mean():
    for name, parser in COMMANDS.items():
        assert f"hutchbatch {name}" in (parser.epilog or ""), name
        assert "exit code" in (parser.epilog or ""), name


def test_the_exit_codes_are_those_of_the_code():
    table = re.findall(r"^\| (\d+) \|", (DOCS / "commands.md").read_text(), re.M)
    codes = (common.FINE, common.WRONG, common.USAGE, common.INTERRUPTED, common.PIPE_CLOSED)
    assert [int(code) for code in table] == list(codes)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_subcommand_and_option(shell, capsys):
    assert main.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name, parser in COMMANDS.items():
        assert name in script
        for option in options(parser) - {"--help"}:
            assert option.lstrip("-") in script, f"{name} {option}"


def test_bash_completes_with_the_script():
    program = (
        f"source <({sys.executable} -m {main.__name__} completion bash); "
        "COMP_WORDS=(hutchbatch logs --fo); COMP_CWORD=2; _shtab_hutchbatch; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "--follow\n"
