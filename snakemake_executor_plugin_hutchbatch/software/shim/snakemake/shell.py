"""``from snakemake.shell import shell``."""

import os
import shutil
import sys
import threading

import hutchbatch_script

from .exceptions import WorkflowError
from .utils import format

#: Longer commands go through a file: Linux allows a single argument 32 pages.
MAX_ARG_LEN = 16 * 4096 - 1
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class shell:
    """``shell("command {snakemake.input}")`` runs a command; with ``iterable`` its lines come one
    by one, with ``read`` all its output."""

    _process_args = {}
    _process_prefix = None
    _process_suffix = ""
    _lock = threading.Lock()
    _processes = {}
    conda_block_conflicting_envvars = True

    @classmethod
    def get_executable(cls):
        return cls._process_args.get("executable")

    @classmethod
    def executable(cls, cmd):
        if cmd:
            name, cmd = (
                str(cmd),
                shutil.which(str(cmd)) if not os.path.isabs(str(cmd)) else str(cmd),
            )
            if not cmd:
                raise WorkflowError(
                    "Cannot set default shell {} because it is not available in your PATH.".format(
                        name
                    )
                )
        cls._process_args["executable"] = cmd

    @classmethod
    def prefix(cls, prefix):
        cls._process_prefix = format(prefix, stepout=2)

    @classmethod
    def suffix(cls, suffix):
        cls._process_suffix = format(suffix, stepout=2)

    @classmethod
    def win_command_prefix(cls, cmd):
        pass

    @classmethod
    def check_output(cls, cmd, **kwargs):
        import subprocess

        return subprocess.check_output(cmd, shell=True, executable=cls.get_executable(), **kwargs)

    @classmethod
    def _get_process_prefix(cls, shell_exec=None):
        name = os.path.basename(shell_exec or cls.get_executable() or "").lower()
        if name == "bash" and cls._process_prefix is None:
            return "set -euo pipefail; "
        return cls._process_prefix or ""

    def __new__(cls, cmd, *args, iterable=False, read=False, bench_record=None, **kwargs):
        import subprocess
        import tempfile

        if "stepout" in kwargs:
            raise KeyError("Argument stepout is not allowed in shell command.")
        cmd = format(cmd, *args, stepout=2, **kwargs)
        within = sys._getframe(1).f_locals
        context = {}
        if hasattr(within.get("snakemake"), "threads"):
            context["threads"] = within["snakemake"].threads
        context.update(kwargs)
        resources = context.get("resources") or {}
        executable = resources.get("shell_exec") or cls.get_executable()
        if executable and not shutil.which(executable):
            raise WorkflowError(
                "Cannot set shell to {} because it does not exist.".format(executable)
            )
        parts = (cls._get_process_prefix(executable), cmd, cls._process_suffix)
        cmd = " ".join(parts).strip()
        folder = None
        if len(cmd.replace("'", r"'\''")) + 2 > MAX_ARG_LEN:
            os.makedirs(".snakemake", exist_ok=True)
            folder = tempfile.mkdtemp(dir=".snakemake", prefix="shell_tmp.")
            script = os.path.join(os.path.abspath(folder), "script.sh")
            with open(script, "w") as file:
                file.write(cmd + "\n")
            os.chmod(script, 0o700)
            cmd = '"{}" "{}"'.format(executable or "/bin/sh", script)
        environment = dict(os.environ)
        environment.update(dict.fromkeys(THREAD_VARIABLES, str(context.get("threads", 1))))
        if resources.get("tmpdir"):
            names = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")
            environment.update(dict.fromkeys(names, resources["tmpdir"]))
        environment.update(kwargs.get("additional_envvars") or {})
        piped = iterable or read
        # Where the script's own output has been replaced, as notebooks do, the command's goes to
        # the process's.
        stdout = subprocess.PIPE if piped else None
        process = subprocess.Popen(
            cmd,
            bufsize=-1,
            shell=True,
            executable=shutil.which(executable) if executable else None,
            stdout=stdout,
            universal_newlines=piped or None,
            close_fds=True,
            env=environment,
        )
        if iterable:
            return cls.iter_stdout(process, cmd, folder)
        try:
            found = process.stdout.read() if read else None
            code = process.wait()
        finally:
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
        if code:
            raise subprocess.CalledProcessError(code, cmd)
        return found

    @staticmethod
    def iter_stdout(proc, cmd, tmpdir):
        import subprocess

        for line in proc.stdout:
            yield line[:-1]
        code = proc.wait()
        if tmpdir:
            shutil.rmtree(tmpdir, ignore_errors=True)
        if code:
            raise subprocess.CalledProcessError(code, cmd)


if shutil.which("bash"):
    shell.executable("bash")
elif shutil.which("sh"):
    sys.stderr.write("Cannot set bash as default shell because it is not available in your PATH.\n")
    shell.executable("sh")


def __getattr__(name):
    return hutchbatch_script.missing(__name__, name)
