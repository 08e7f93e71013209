"""Patterns with wildcards. What marks files in a Snakefile returns them as they are."""

import collections
import os
import re
import string
from itertools import chain, product

import hutchbatch_script

from .common import is_namedtuple_instance
from .exceptions import WildcardError, WorkflowError
from .iocontainers import InputFiles, Log, Namedlist, OutputFiles, Params, Wildcards

__all__ = ["InputFiles", "Log", "Namedlist", "OutputFiles", "Params", "Wildcards"]

#: ``{name}`` or ``{name,constraint}``; a constraint may hold braces.
WILDCARD_REGEX = re.compile(
    r"\{\s*(?P<name>\w+)\s*(,\s*(?P<constraint>(?:[^{}]+|\{\d+(,\d+)?\})*)\s*)?\}"
)


def strip_wildcard_constraints(pattern):
    if callable(pattern):
        return pattern
    return WILDCARD_REGEX.sub(lambda match: "{" + match.group("name") + "}", str(pattern))


def get_wildcard_names(pattern):
    return {match.group("name") for match in WILDCARD_REGEX.finditer(pattern)}


def contains_wildcard(path):
    return WILDCARD_REGEX.search(str(path)) is not None


def regex_from_filepattern(filepattern):
    parts, last, seen = [], 0, set()
    for match in WILDCARD_REGEX.finditer(filepattern):
        parts.append(re.escape(filepattern[last : match.start()]))
        name, constraint = match.group("name"), match.group("constraint")
        if name in seen:
            if constraint:
                raise ValueError(
                    "Constraint regex must be defined only in the first occurrence of the wildcard "
                    "in a string."
                )
            parts.append("(?P={})".format(name))
        else:
            seen.add(name)
            parts.append("(?P<{}>{})".format(name, constraint or ".+"))
        last = match.end()
    return "".join([*parts, re.escape(filepattern[last:]), "$"])


def apply_wildcards(pattern, wildcards):
    def value(match):
        try:
            return str(wildcards[match.group("name")])
        except KeyError as error:
            raise WildcardError(str(error))

    return WILDCARD_REGEX.sub(value, pattern)


class _Kept(dict):
    def __missing__(self, key):
        return "{" + key + "}"


def expand(*args, **wildcard_values):
    """Patterns with all combinations of values; another way to combine is the second argument."""
    patterns, combinator = args[0], args[1] if len(args) > 1 else product
    if isinstance(patterns, (str, os.PathLike)):
        patterns = [patterns]
    kind = _Kept if wildcard_values.get("allow_missing") is True else dict
    formatter = string.Formatter()
    expanded = []
    for pattern in map(str, patterns):
        names = set(re.findall(r"{([^}\.[!:]+)", pattern))
        choices = [
            [(name, value) for value in _several(values)]
            for name, values in wildcard_values.items()
            if name in names
        ]
        try:
            expanded += [
                formatter.vformat(pattern, (), kind(values)) for values in combinator(*choices)
            ]
        except KeyError as error:
            raise WildcardError("No values given for wildcard {}.".format(error))
    return expanded


def _several(values):
    if isinstance(values, str) or is_namedtuple_instance(values):
        return [values]
    return values if hasattr(values, "__iter__") else [values]


def multiext(prefix, *extensions, **named_extensions):
    found = [*extensions, *named_extensions.values()]
    if any("/" in extension or "\\" in extension for extension in found):
        raise WorkflowError("Extensions for multiext may not contain path delimiters (/,\\).")
    return [prefix + extension for extension in found]


def limit(pattern, **wildcards):
    return pattern.format(
        **{name: "{" + name + "," + "|".join(values) + "}" for name, values in wildcards.items()}
    )


def glob_wildcards(pattern, files=None, followlinks=False):
    """The values of a pattern's wildcards in the names of the files that there are."""
    pattern = os.path.normpath(pattern)
    first = re.search("{[^{]", pattern)
    top = os.path.dirname(pattern[: first.start()] if first else pattern) or "."
    names = []
    for match in WILDCARD_REGEX.finditer(pattern):
        if match.group("name") not in names:
            names.append(match.group("name"))
    found = collections.namedtuple("Wildcards", names)(*[[] for _ in names])
    matching = re.compile(regex_from_filepattern(pattern))
    if files is None:
        files = (
            os.path.normpath(os.path.join(folder, name))
            for folder, folders, here in os.walk(top, followlinks=followlinks)
            for name in chain(here, folders)
        )
    for match in filter(None, map(matching.match, files)):
        for name, value in match.groupdict().items():
            getattr(found, name).append(value)
    return found


def _as_it_is(value, *args, **kwargs):
    return value


ancient = directory = temp = temporary = protected = touch = ensure = unpack = local = _as_it_is
pipe = service = repeat = report = _as_it_is


def __getattr__(name):
    return hutchbatch_script.missing(__name__, name)
