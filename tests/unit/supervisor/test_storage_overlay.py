"""The mended storage brings all of the supervisor that it imports, and no more."""

import ast
from pathlib import Path

from snakemake_executor_plugin_hutchbatch import supervisor
from snakemake_executor_plugin_hutchbatch.supervisor import storage_overlay

HOME = Path(supervisor.__file__).parent


def imported(module):
    """The supervisor's modules that a module imports."""
    for node in ast.walk(ast.parse((HOME / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (name for name in names if (HOME / f"{name}.py").exists())


def test_the_storage_in_the_container_has_all_that_it_imports():
    seen, left = set(), ["patched_s3_storage"]
    while left:
        if (module := left.pop()) not in seen:
            seen.add(module)
            left += imported(module)
    assert set(storage_overlay.NEEDED) == seen
