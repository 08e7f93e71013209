"""Quotes Snakemake's own command line for a job in Snakemake mode so that a shell changes nothing.

Snakemake quotes with Python's ``repr``, and where that uses double quotes, a shell expands the text
between them.
"""

from __future__ import annotations

import shlex
from collections import UserDict
from collections.abc import Callable, Iterable
from pathlib import Path

from snakemake_interface_common.settings import SettingsEnumBase
from snakemake_interface_common.utils import not_iterable
from snakemake_interface_executor_plugins import utils


def positional(value: object, quote: bool = True, base64_encode: bool = False) -> str:
    """Like Snakemake's ``format_cli_pos_arg``, with a shell's quotes."""
    if isinstance(value, (dict, UserDict)):
        return " ".join(_text(f"{key}={item}", True, base64_encode) for key, item in value.items())
    items = value if isinstance(value, Iterable) and not not_iterable(value) else [value]
    return " ".join(_text(item, quote, base64_encode) for item in items)


def _text(value: object, quote: bool, base64_encode: bool) -> str:
    if isinstance(value, SettingsEnumBase):
        return str(value.item_to_choice())
    text = str(value) if isinstance(value, (str, Path)) else repr(value)
    if base64_encode and isinstance(value, (str, Path)):
        return str(utils.encode_as_base64(text))
    return shlex.quote(text) if quote or isinstance(value, Path) else text


def format_cli_pos_arg(_plain: object) -> Callable[..., str]:
    """Replaces the function of this name in ``snakemake_interface_executor_plugins.utils``."""
    return positional
