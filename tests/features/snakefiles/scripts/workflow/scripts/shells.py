import subprocess

from snakemake import shell as same
from snakemake.exceptions import WorkflowError
from snakemake.io import expand, glob_wildcards
from snakemake.logging import logger as imported
from snakemake.shell import shell
from snakemake.utils import format, makedirs, min_version

assert same is shell and imported is logger
min_version("6.0")
log = snakemake.log_fmt_shell()
makedirs(["made/a", "made/b"])
name = "it's"
shell("(echo {snakemake.threads} $OMP_NUM_THREADS {name:q} {snakemake.input}; ls made) {log}")
lines = list(shell("printf 'x\\ny\\n'", iterable=True))
read = shell("echo {snakemake.wildcards}read", read=True)
try:
    shell("false | true")
except subprocess.CalledProcessError as error:
    code = error.returncode
try:
    shell("echo {unknown}")
except NameError as error:
    reported = str(error)
try:
    raise WorkflowError("a", ValueError("b"))
except WorkflowError as error:
    workflow_error = str(error)
long = shell("echo {text} | wc -c", text="x" * 100000, read=True).strip()
with open(snakemake.output[0], "w") as file:
    print(lines, read, code, reported, workflow_error, long, file=file)
    print(
        format("{a} {b:q}", a=["x", "y"], b=["it's"]), shell.check_output("echo checked"), file=file
    )
    print(expand("{a}.{b}", a=[1, 2], b="c"), file=file)
    print(sorted(glob_wildcards("made/{name,[a-z]+}").name), file=file)
    print(shell.get_executable(), open(snakemake.log[0]).read(), file=file)
logger.warning("a warning of the script")
