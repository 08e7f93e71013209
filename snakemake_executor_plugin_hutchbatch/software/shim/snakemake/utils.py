"""Helpers that scripts and wrappers import."""

import os
import re
import shlex
import string
import sys
from itertools import chain

import hutchbatch_script

from .exceptions import WorkflowError
from .iocontainers import Namedlist, Wildcards


class SequenceFormatter(string.Formatter):
    """Formats each element of a list, and puts ``separator`` between them."""

    def __init__(self, separator=" ", element_formatter=None, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.separator = separator
        self.element_formatter = element_formatter or string.Formatter()

    def format_element(self, elem, format_spec):
        return self.element_formatter.format_field(elem, format_spec)

    def format_field(self, value, format_spec):
        if isinstance(value, Wildcards):
            return ",".join("{}={}".format(*item) for item in sorted(value.items()))
        if isinstance(value, (list, tuple, set, frozenset)):
            return self.separator.join(self.format_element(v, format_spec) for v in value)
        return self.format_element(value, format_spec)


class QuotedFormatter(string.Formatter):
    """``{x:q}`` quotes for a shell, ``{x:u}`` never does."""

    def __init__(self, quote_func=None, *args, **kwargs):
        self.quote_func = quote_func or shlex.quote
        super().__init__(*args, **kwargs)

    def format_field(self, value, format_spec):
        quoted = format_spec.endswith("q")
        if quoted or format_spec.endswith("u"):
            format_spec = format_spec[:-1]
        formatted = super().format_field(value, format_spec)
        return self.quote_func(formatted) if quoted and formatted else formatted


class AlwaysQuotedFormatter(QuotedFormatter):
    def format_field(self, value, format_spec):
        if not format_spec.endswith(("q", "u")):
            format_spec += "q"
        return super().format_field(value, format_spec)


def format(_pattern, *args, stepout=1, _quote_all=False, quote_func=None, **kwargs):
    """A pattern with the variables of whoever calls, ``stepout`` frames above."""
    frame = sys._getframe(1)
    while stepout > 1 and frame.f_back:
        frame = frame.f_back
        stepout -= 1
    variables = dict(frame.f_globals)
    variables.update(frame.f_locals)
    variables.update(kwargs)
    quoting = AlwaysQuotedFormatter if _quote_all else QuotedFormatter
    formatter = SequenceFormatter(separator=" ", element_formatter=quoting(quote_func))
    try:
        return formatter.vformat(_pattern, args, variables)
    except KeyError as error:
        name = str(error).strip("'")
        if "wildcards" in variables and name in variables["wildcards"].keys():
            raise NameError(
                "The name '{0}' is unknown in this context. Did you mean 'wildcards.{0}'?".format(
                    name
                )
            )
        raise NameError(
            "The name {} is unknown in this context. Please make sure that you defined that "
            "variable. Also note that braces not used for variable access have to be escaped by "
            "repeating them, i.e. {{{{print $1}}}}".format(error)
        )


def makedirs(dirnames):
    """Makes one folder or several; those that are there are no error."""
    for name in [dirnames] if isinstance(dirnames, str) else dirnames:
        os.makedirs(name, exist_ok=True)


def simplify_path(path):
    relative = os.path.relpath(path)
    return path if relative.startswith("../../") else relative


def linecount(filename):
    with open(filename) as file:
        return sum(1 for _ in file)


def listfiles(pattern, restriction=None, omit_value=None):
    """Files that match a pattern with wildcards, and the wildcards of each."""
    from .io import regex_from_filepattern

    pattern = os.path.normpath(pattern)
    wildcard = re.search("{[^{]", pattern)
    top = os.path.dirname(pattern[: wildcard.start()] if wildcard else pattern) or "."
    matching = re.compile(regex_from_filepattern(pattern))
    for folder, folders, files in os.walk(top):
        for name in chain(files, folders):
            if folder != ".":
                name = os.path.normpath(os.path.join(folder, name))
            match = matching.match(name)
            if match:
                wildcards = Namedlist(fromdict=match.groupdict())
                if not any(
                    omit_value not in values and values != wildcards[key]
                    for key, values in (restriction or {}).items()
                ):
                    yield name, wildcards


def read_job_properties(
    jobscript, prefix="# properties", pattern=re.compile("# properties = (.*)")
):
    import json

    with open(jobscript) as file:
        for match in map(pattern.match, file):
            if match:
                return json.loads(match.group(1))


def _numbers(version):
    return [int(number) for number in re.findall(r"\d+", str(version))[:3]]


def min_version(version):
    """Raises WorkflowError where Snakemake is older."""
    from .common import __version__

    if _numbers(__version__) < _numbers(version):
        raise WorkflowError(
            "Expecting Snakemake version {} or higher (you are currently using {}).".format(
                version, __version__
            )
        )


def update_config(config, overwrite_config):
    """Puts the values of a nested dictionary in place of another's."""
    for key, value in overwrite_config.items():
        if isinstance(value, dict):
            if not isinstance(config.get(key), dict):
                config[key] = {}
            update_config(config[key], value)
        else:
            config[key] = value


def available_cpu_count():
    try:
        return len(os.sched_getaffinity(0)) or 1
    except AttributeError:
        return os.cpu_count() or 1


def R(code):
    """Runs R code with the variables of whoever calls."""
    import textwrap

    try:
        from rpy2 import robjects
    except ImportError:
        raise ValueError("Python 3 package rpy2 needs to be installed to use the R function.")
    robjects.r(format(textwrap.dedent(code), stepout=2))


def __getattr__(name):
    return hutchbatch_script.missing(__name__, name)
