"""Snakemake's exceptions that scripts raise or catch."""

import textwrap

import hutchbatch_script


class WorkflowError(Exception):
    def __init__(self, *args, lineno=None, snakefile=None, rule=None):
        self.lineno = getattr(rule, "lineno", lineno)
        self.snakefile = getattr(rule, "snakefile", snakefile)
        self.rule = rule
        texts = [self.format_arg(arg) for arg in args]
        if texts and self.snakefile is not None:
            texts[0] += " (line {}, {})".format(self.lineno, self.snakefile)
        super().__init__("\n".join(texts))

    def format_arg(self, arg):
        if isinstance(arg, str):
            return arg
        if isinstance(arg, WorkflowError):
            return type(arg).__name__ + ":\n" + textwrap.indent(str(arg), "    ")
        return "{}: {}".format(type(arg).__name__, arg)


class WildcardError(WorkflowError):
    pass


class SourceFileError(WorkflowError):
    pass


class RuleException(Exception):
    def __init__(self, message=None, include=None, lineno=None, snakefile=None, rule=None):
        super().__init__(message)
        self.message = message
        self.rule = rule
        self._include = list(include or ())
        self.lineno = getattr(rule, "lineno", lineno)
        self.filename = getattr(rule, "snakefile", snakefile)


class MissingInputException(RuleException):
    pass


class MissingOutputException(RuleException):
    pass


def __getattr__(name):
    return hutchbatch_script.missing(__name__, name)
