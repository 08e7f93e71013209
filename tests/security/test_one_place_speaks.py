"""No line of the plugin writes to the terminal past the one module that cleans what it writes."""

import ast
from pathlib import Path

import pytest

import snakemake_executor_plugin_hutchbatch

PACKAGE = Path(snakemake_executor_plugin_hutchbatch.__file__).parent
#: The place, and that of the local cloud, which shares no code with the plugin.
PLACES = ("text/terminal.py", "local/hosts/terminal.py")
#: What runs as a program of its own: in containers, where the output is the job's; and children of
#: the local cloud, whose output is a pipe to it.
PROGRAMS = (
    "local/services/s3.py",
    "local/hosts/container.py",
    "local/hosts/sweeper.py",
    "local/hosts/foreground.py",
)
#: Folders of such programs: the supervisor, what a rule's own script imports as Snakemake, and what
#: builds conda environments.
PROGRAM_FOLDERS = ("supervisor/", "software/shim/", "software/conda/builder/")
#: With reasons.
MAY = {
    "local/cloud.py": {"os.write"},  # into its lock
    # No line of its own: it mends how Snakemake writes its log file.
    "snakemake_patches/log_names.py": {"logging"},
    "local/run.py": {"a child with our terminal"},  # the command that was asked for
    "cli/rerun_here.py": {"a child with our terminal"},  # the job that is run again
    "controller/child.py": {"a child with our terminal"},  # the Snakemake that it runs
}
#: Modules that speak by themselves.
SPEAKERS = {"logging", "warnings", "curses", "rich", "pprint", "faulthandler", "tqdm", "click"}
#: What argparse says, ``terminal.Parser`` says.
PARSER = "ArgumentParser"
#: Names of modules whose attributes do.
SPEAKING = {
    "sys": {"stdout", "stderr", "__stdout__", "__stderr__", "excepthook", "displayhook"},
    "os": {"write", "writev", "pwrite", "sendfile", "system", "popen", "posix_spawn"},
    "traceback": {"print_exc", "print_exception", "print_tb", "print_stack", "print_last"},
    "getpass": {"getpass"},
}
CHILDREN = {"run", "Popen", "call", "check_call", "check_output"}
DEVICES = {"/dev/tty", "/dev/stdout", "/dev/stderr", "/dev/console"}


def problems(source: str) -> set[str]:
    """What of a module's text could reach the terminal."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and node.id in ("print", "input", "breakpoint"):
            if not isinstance(node.ctx, ast.Store):  # an attribute of that name is declared
                found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in SPEAKING.get(node.value.id, ()):
                found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.partition(".")[0] in SPEAKERS}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            names = {a.name for a in node.names}
            if module.partition(".")[0] in SPEAKERS or module == "snakemake.logging":
                found.add(module)
            if module == "snakemake" and "logging" in names:
                found.add("snakemake.logging")
            found |= {f"{module}.{n}" for n in names & SPEAKING.get(module, set())}
        elif isinstance(node, ast.Constant) and node.value in DEVICES:
            found.add(str(node.value))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == PARSER:
            found.add(PARSER)
        if isinstance(node, ast.Call) and _starts_a_child(node) and not _is_silent(node):
            found.add("a child with our terminal")
    return found


def _starts_a_child(node):
    called = node.func
    module = called.value.id if isinstance(getattr(called, "value", None), ast.Name) else ""
    return isinstance(called, ast.Attribute) and module == "subprocess" and called.attr in CHILDREN


def _is_silent(node):
    given = {keyword.arg for keyword in node.keywords}
    return "capture_output" in given or {"stdout", "stderr"} <= given


def _modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in (*PLACES, *PROGRAMS) and not name.startswith(PROGRAM_FOLDERS):
            yield pytest.param(path, MAY.get(name, set()), id=name)


@pytest.mark.parametrize(("path", "allowed"), list(_modules()))
def test_no_module_speaks_past_the_one_place(path, allowed):
    assert problems(path.read_text()) == allowed


def test_the_exceptions_are_there():
    for name in (*PLACES, *PROGRAMS, *MAY):
        assert (PACKAGE / name).is_file(), name


@pytest.mark.parametrize(
    "line",
    [
        "print(x)",
        "say = print",
        "input('?')",
        "sys.stdout.write(x)",
        "out = sys.stderr",
        "from sys import stdout",
        "os.write(2, x)",
        "import logging",
        "from logging import getLogger",
        "import warnings",
        "from snakemake.logging import logger",
        "from snakemake import logging",
        "traceback.print_exc()",
        "from traceback import print_exc",
        "argparse.ArgumentParser()",
        "subprocess.run(['x'])",
        "subprocess.Popen(['x'], stdout=subprocess.PIPE)",
        "open('/dev/tty')",
    ],
)
def test_each_such_line_would_be_found(line):
    assert problems(line)


#: What shells execute.
SHELLS = {"cli/commands/completion.py", "rerun/credentials.py"}


@pytest.mark.parametrize(
    ("function", "users"),
    [
        ("say_exactly", SHELLS | {"cli/suggesting.py"}),  # YAML in ASCII, for a profile
        ("job_output", {"cli/commands/output.py"}),  # what a job wrote
        ("say_table", {"cli/commands/report.py"}),  # cells that ``trace`` has cleaned
    ],
)
def test_what_is_said_as_it_is_is_said_in_one_place(function, users):
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == function:
                found.add(path.relative_to(PACKAGE).as_posix())
    assert found == users


def test_the_executors_own_logger_is_the_one_that_cleans():
    """Snakemake hands over its logger; nothing may be said before it is wrapped."""
    tree = ast.parse((PACKAGE / "executor.py").read_text())
    (method,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__post_init__"
    ]
    before = ast.unparse(method).split("self.logger = terminal.Log(self.logger")[0]
    assert "self.logger" not in before
    assert before != ast.unparse(method)
