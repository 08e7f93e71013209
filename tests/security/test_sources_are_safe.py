"""What no line of the plugin may say: certificates not looked at, texts that a shell reads."""

import ast
from pathlib import Path

import pytest

import snakemake_executor_plugin_hutchbatch

PACKAGE = Path(snakemake_executor_plugin_hutchbatch.__file__).parent
#: Names that only turn off what protects.
NEVER = {
    "CERT_NONE",
    "_create_unverified_context",
    "disable_warnings",
    "OP_LEGACY_SERVER_CONNECT",
    "system",
    "popen",
    "getoutput",
    "getstatusoutput",
}
FALSE = {"verify", "use_ssl", "check_hostname", "ssl"}


def problems(source: str) -> list[str]:
    """What is wrong with a module's text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in NEVER:
            found.append(f"{node.lineno}: {node.attr}")
        elif isinstance(node, ast.keyword):
            value = node.value.value if isinstance(node.value, ast.Constant) else "?"
            if node.arg in FALSE and value is False:
                found.append(f"{node.value.lineno}: {node.arg}=False")
            if node.arg == "shell" and value is True:
                found.append(f"{node.value.lineno}: shell=True")
        elif isinstance(node, ast.Assign):
            names = [t.attr for t in node.targets if isinstance(t, ast.Attribute)]
            off = isinstance(node.value, ast.Constant) and node.value.value in (False, None)
            if off and FALSE & set(names):
                found.append(f"{node.lineno}: {names[0]} is turned off")
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_no_module_turns_protection_off(path):
    # The supervisor's one shell is for the rule's own command, which is meant to be one; those of
    # the shim are what a script calls as Snakemake's ``shell()``. Conda's own ``ssl_verify: false``
    # counts for conda's channels, whose packages are checked by their hashes.
    wanted = {
        "supervisor/step_runner.py": ["shell=True"],
        "software/shim/snakemake/shell.py": ["shell=True", "shell=True"],
        "software/conda/builder/fetch.py": ["CERT_NONE"],
    }
    allowed = wanted.get(path.relative_to(PACKAGE).as_posix(), [])
    assert [what.partition(": ")[2] for what in problems(path.read_text())] == allowed


@pytest.mark.parametrize(
    "line",
    [
        "boto3.client('s3', verify=False)",
        "context.verify_mode = ssl.CERT_NONE",
        "context.check_hostname = False",
        "ssl._create_unverified_context()",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
    ],
)
def test_each_such_line_would_be_found(line):
    assert problems(line)
