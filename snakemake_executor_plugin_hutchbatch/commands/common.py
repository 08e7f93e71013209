"""What the subcommands share: how help and errors look, and the region."""

from __future__ import annotations

import argparse
import sys


class Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Texts as they are written, with the defaults."""


def fail(sentence: str) -> int:
    """Says why a command could not do its work; the exit code for that."""
    print(f"hutchbatch: {sentence}", file=sys.stderr)
    return 1


def add_region(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--region", help="AWS region (default: of your AWS configuration)")
