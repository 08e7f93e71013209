"""What Snakemake loads of hutchbatch, and when."""

import json
import subprocess
import sys

import snakemake_executor_plugin_hutchbatch as package
from snakemake_executor_plugin_hutchbatch.aws import lease_gate
from snakemake_executor_plugin_hutchbatch.planning import detached_tree
from snakemake_executor_plugin_hutchbatch.snakemake_patches import local_files

#: What Snakemake's registry does with each plugin that is installed.
REGISTER = """
import json, sys
import snakemake_executor_plugin_hutchbatch as plugin
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry as Registry
registry = object.__new__(Registry)
registry.plugins = {}
registry.register_plugin(plugin.__name__, plugin)
registry.plugins["hutchbatch"].get_settings
print(json.dumps(sorted(sys.modules)))
"""


def loaded(source):
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
    return set(json.loads(done.stdout))


def test_a_snakemake_that_does_not_choose_it_loads_its_options_only():
    modules = loaded(REGISTER)
    assert f"{package.__name__}.plugin" in modules
    assert not {"botocore", f"{package.__name__}.executor", f"{package.__name__}.run"} & modules


def test_the_local_cloud_loads_none_of_the_plugin():
    modules = loaded(
        "import json, sys\n"
        f"from {package.__name__}.cli import main\n"
        "main._parsers(['local'])\n"
        f"import {package.__name__}.local.cloud\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert not {f"{package.__name__}.{name}" for name in ("plugin", "executor", "run")} & modules


def test_what_a_started_process_must_heed_is_what_is_written_for_it():
    names = {lease_gate.VARIABLE, detached_tree.VARIABLE, local_files.CHILD}
    assert names == package.HEEDED
