"""Writes down all that a script can see of its job."""

import json
import os
import sys
from pathlib import Path, PurePath

import helper  # beside this script
from helpers.more import MORE
from snakemake.script import Snakemake as SameClass


def reported(value):
    kind = type(value).__name__
    if value is None or isinstance(value, (bool, int, float)):
        return [kind, value]
    if isinstance(value, (str, PurePath)):
        return [kind, str(value)]
    if hasattr(value, "dtype"):
        return [kind, repr(value)]
    if hasattr(value, "_names"):
        named = {name: reported(getattr(value, name)) for name in value.keys()}
        return [kind, [reported(item) for item in value], named]
    if isinstance(value, dict):
        return [kind, [[reported(k), reported(v)] for k, v in value.items()]]
    return [kind, sorted((reported(item) for item in value), key=str)]


names = "input output params wildcards threads resources log config rule bench_iteration scriptdir"
dump = {name: reported(getattr(snakemake, name)) for name in names.split()}
dump["type"] = [type(snakemake).__name__, type(snakemake).__module__]
dump["same"] = isinstance(snakemake, SameClass)
dump["attributes"] = sorted(vars(snakemake))
dump["gets"] = [
    snakemake.input.get("index"),
    snakemake.input.get("none", "default"),
    snakemake.params.get("sort", "guarded"),
    snakemake.input["pair"],
    snakemake.input.pair[1],
    str(snakemake.input),
    list(snakemake.params.keys()),
    snakemake.wildcards.sample,
    [name for name, _ in snakemake.input._allitems()],
]
try:
    snakemake.input.sort()
except AttributeError as error:
    dump["guard"] = str(error).split(";")[0]
dump["shell"] = [
    snakemake.log_fmt_shell(),
    snakemake.log_fmt_shell(stdout=False, append=True),
    snakemake.log_fmt_shell(stderr=False),
    snakemake._log_shell_redirect(None),
]
dump["href"] = str(
    snakemake.report_href("out/x.html").child_path("y").url_args(a="b c").anchor("z")
)
dump["file"] = __file__, Path(__real_file__).parent.name, Path(sys.argv[0]).suffix
dump["cwd"] = os.getcwd()
dump["helper"] = helper.__file__, helper.WORD, MORE
dump["logger"] = type(logger).__name__, logger.name
dump["tmpdir"] = os.environ["TMPDIR"] == snakemake.resources.tmpdir
dump["threads"] = os.environ["OMP_NUM_THREADS"]
dump["path"] = ["/".join(sys.path[0].split("/")[-2:]), snakemake.scriptdir in sys.path]
dump["globals"] = sorted(n for n in globals() if n in ("sys", "pickle", "logger", "Snakemake"))
Path(snakemake.log[0]).write_text("logged\n")
Path(snakemake.output.side).write_text("side\n")
Path(snakemake.output[0]).write_text(json.dumps(dump, indent=1))
