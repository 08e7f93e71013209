"""The Protocols of ``snakemake_types.py`` against the objects of a real run."""

import json
import re
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch import snakemake_types

#: Looks at every object that a Protocol stands for, once Snakemake has all of them.
LOOK = """
import json
from pathlib import Path

from snakemake.io import flag
from snakemake.jobs import GroupJob
from snakemake_executor_plugin_hutchbatch import snakemake_types


def samples(workflow):
    job = next(job for job in workflow.dag.jobs if job.rule.name == "one")
    group = GroupJob("g", frozenset(workflow.dag.jobs), workflow.global_resources)
    group.finalize()
    file = job.output[0]
    stored = file.storage_object
    remote, scheduling = workflow.remote_execution_settings, workflow.scheduling_settings
    return {
        "S3Meta": stored.provider.s3c.meta,
        "S3Resource": stored.provider.s3c,
        "ProviderSettings": stored.provider.settings,
        "StorageProvider": stored.provider,
        "StorageObject": stored,
        "Flagged": flag("a.txt", "temp"),
        "File": file,
        "Files": job.output,
        "ObjectSummary": next(iter(stored.s3bucket().objects.filter(Prefix=stored.key))),
        "Objects": stored.s3bucket().objects,
        "Bucket": stored.s3bucket(),
        "Resources": job.resources,
        "GivenResource": job.rule.resources["mem_mb"],
        "Rule": job.rule,
        "CheckpointJob": workflow.globals["checkpoints"].one.get(),
        "Checkpoint": workflow.globals["checkpoints"].one,
        "PathModifier": workflow.modifier.path_modifier,
        "LocalExecutor": workflow.scheduler._local_executor,
        "Target": job.get_target_spec()[0],
        "Job": job,
        "GroupJob": group,
        "Dag": workflow.dag,
        "Persistence": workflow.persistence,
        "Scheduler": workflow.scheduler,
        "JobRateLimiter": workflow.scheduler.job_rate_limiter,
        "StorageSettings": workflow.storage_settings,
        "OwnStorageSettings": workflow.storage_settings,
        "PreemptibleRules": remote.preemptible_rules,
        "RemoteExecutionSettings": remote,
        "DeploymentMethod": next(iter(workflow.deployment_settings.deployment_method)),
        "DeploymentSettings": workflow.deployment_settings,
        "ConfigSettings": workflow.config_settings,
        "WorkflowSettings": workflow.workflow_settings,
        "JobLimit": scheduling.max_jobs_per_timespan,
        "SchedulingSettings": scheduling,
        "ExecutionSettings": workflow.execution_settings,
        "DagSettings": workflow.dag_settings,
        "StorageRegistry": workflow.storage_registry,
        "SourceCache": workflow.sourcecache,
        "SourceFile": next(workflow.included),
        "ExecMode": workflow.exec_mode,
        "Workflow": workflow,
    }


def members(protocol):
    found = set()
    for base in protocol.__mro__:
        if base.__module__ == snakemake_types.__name__:
            found.update(base.__dict__.get("__annotations__", {}))
            found.update(name for name, value in base.__dict__.items() if callable(value))
    ours = ("hutchbatch_", "_hutchbatch_")
    return {name for name in found if not name.startswith(ours)} - {"__init__", "__subclasshook__"}


def look(workflow):
    absent = {
        name: sorted(n for n in members(getattr(snakemake_types, name)) if not hasattr(sample, n))
        for name, sample in samples(workflow).items()
    }
    Path("absent.json").write_text(json.dumps(absent))
"""

SNAKEFILE = """
import look

rule all:
    input: "two.txt"

checkpoint one:
    output: "one.txt"
    resources: mem_mb=100
    shell: "echo 1 > {output}"

rule two:
    input: "one.txt"
    output: "two.txt"
    shell: "cp {input} {output}"

onsuccess:
    look.look(workflow)
"""


@pytest.fixture(scope="module")
def absent(cloud, tmp_path_factory):
    """Attributes that Snakemake's objects lack, by Protocol."""
    from workflows import Workflow  # noqa: PLC0415

    workflow = Workflow(cloud, tmp_path_factory.mktemp("types"), "snakemake-types")
    workflow.write("Snakefile", SNAKEFILE)
    workflow.write("look.py", LOOK)
    workflow.succeed("--software-deployment-method", "apptainer", PYTHONPATH=str(workflow.folder))
    return json.loads(Path(workflow.folder / "absent.json").read_text())


def test_snakemakes_objects_have_every_attribute_that_we_use(absent):
    assert {name: names for name, names in absent.items() if names} == {}


def test_every_protocol_is_compared_with_an_object(absent):
    source = Path(snakemake_types.__file__).read_text()
    protocols = re.findall(r"^class ([A-Z]\w*)\(.*Protocol\):", source, re.MULTILINE)
    assert set(protocols) == set(absent)
