"""The subcommands of ``hutchbatch``: one module each, with ``add(subcommands)``.

``add`` makes the parser and sets ``run``, which takes the parsed options and returns the exit code.
A command that cannot do its work raises (``common.CommandError``, ``JournalError``, botocore's
errors): ``main.main`` turns each into one sentence."""
