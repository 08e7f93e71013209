"""Settings: what is accepted, and what a wrong value is answered with."""

import copy
import dataclasses
import pickle
import re
from pathlib import Path

import configargparse
import pytest
from snakemake_interface_common.exceptions import ApiError
from snakemake_interface_common.plugin_registry.tests import TestRegistryBase
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from snakemake_executor_plugin_hutchbatch import ExecutorSettings
from snakemake_executor_plugin_hutchbatch.settings import options
from snakemake_executor_plugin_hutchbatch.settings.options import JobSettings
from snakemake_executor_plugin_hutchbatch.settings.setting import Setting
from snakemake_executor_plugin_hutchbatch.settings.table import SETTINGS
from snakemake_executor_plugin_hutchbatch.settings.values import (
    NONE,
    Mount,
    SettingError,
    unless_none,
)

ROLE = "arn:aws:iam::123456789012:role/fh-pi-doe-j-batchtask"
LOGIN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:quay-AbCdEf"

GOOD = [
    ("site", "hutch-lab", "hutch-lab"),
    ("region", "us-west-2", "us-west-2"),
    ("queue", "auto", ()),
    ("queue", "cpu-spot-50", ("cpu-spot-50",)),
    ("queue", "cpu-spot-30, cpu-spot-50", ("cpu-spot-30", "cpu-spot-50")),
    ("queue", "arn:aws:batch:us-west-2:1:job-queue/x", ("arn:aws:batch:us-west-2:1:job-queue/x",)),
    ("policy", "balanced", "balanced"),
    ("starve_minutes", "0.5", 0.5),
    ("spot_attempts", 10, 10),
    ("host_attempts", "1", 1),
    ("oom_memory_factor", "1.5", 1.5),
    ("oom_memory_factor", "0", 0),
    ("tail_lines", "0", 0),
    ("report", ["a b.html", "t.tsv"], (Path("a b.html"), Path("t.tsv"))),
    ("report", "report.html trace.tsv", (Path("report.html"), Path("trace.tsv"))),
    ("job_role", ROLE, ROLE),
    ("job_role", "none", NONE),
    ("execution_role", ROLE, ROLE),
    ("repository_credentials", LOGIN, LOGIN),
    ("user", "jdoe", "jdoe"),
    ("container_user", "image", "image"),
    ("container_user", 1000, "1000"),
    ("container_user", "jovyan:users", "jovyan:users"),
    ("mode", "direct", "direct"),
    ("image", "docker://quay.io/a/samtools:1.21", "quay.io/a/samtools:1.21"),
    ("scratch", "/var/lib/docker:/tmp", Mount("/var/lib/docker", "/tmp")),
    ("aws_cli_path", "/home/ec2-user/miniconda/bin/aws", "/home/ec2-user/miniconda"),
    ("aws_cli_path", "none", NONE),
    ("work_prefix", "s3://bucket/delete10", "s3://bucket/delete10/"),
    ("conda_update", True, True),
    ("log_group", "/aws/batch/job", "/aws/batch/job"),
    ("tags", ["project=tcr", "lab=Doe lab"], {"project": "tcr", "lab": "Doe lab"}),
    ("tags", "project=tcr lab=doe", {"project": "tcr", "lab": "doe"}),
    ("tags", "project=tcr,lab=Doe lab", {"project": "tcr", "lab": "Doe lab"}),
    ("scheduling_priority", "9999", 9999),
    ("share_identifier", "doelab", "doelab"),
    ("shm_mb", "2048", 2048),
    ("execute_command", "yes", True),
    ("execute_command", False, False),
    (
        "volumes",
        ["/data:/data:ro", "/ref:/mnt/ref"],
        (Mount("/data", "/data", True), Mount("/ref", "/mnt/ref")),
    ),
    ("shared", "s3://bucket/ref/ s3://other/x.fa", ("s3://bucket/ref", "s3://other/x.fa")),
    (
        "secrets",
        "KEY=arn:aws:secretsmanager:us-west-2:1:secret:x",
        {"KEY": "arn:aws:secretsmanager:us-west-2:1:secret:x"},
    ),
]

BAD = [
    ("conda_update", "yes", "takes no value"),
    ("region", "Oregon", "us-west-2"),
    ("container_user", "Jane Doe", "a user's name or number"),
    ("container_user", "--privileged", "a user's name or number"),
    ("region", "", "empty"),
    ("queue", "my_queue!", "auto, a queue's name"),
    ("queue", "auto,mixed", "auto, a queue's name"),
    ("policy", "cheap", "availability, balanced or capacity"),
    ("queue_catalog", "/no/such/file.yaml", "no such file"),
    ("site", "hutch-labs", "write hutch or hutch-lab"),
    ("site", "/no/such/site.yaml", "no such file"),
    ("starve_minutes", "soon", "minutes"),
    ("starve_minutes", "-1", "minutes"),
    ("spot_attempts", "11", "1 to 10"),
    ("host_attempts", "0", "1 to 10"),
    ("oom_memory_factor", "0.5", "more than 1"),
    ("tail_lines", "many", "lines"),
    ("report", "report.pdf", ".html for the picture"),
    ("queue", "", "empty"),
    ("job_role", "fh-pi-doe-j-batchtask", "arn:aws:iam"),
    ("execution_role", "ecsTaskExecutionRole", "arn:aws:iam"),
    ("repository_credentials", "quay", "arn:aws:secretsmanager"),
    ("user", "../etc", "HutchNet ID"),
    ("mode", "fast", "auto, direct or snakemake"),
    ("image", "shub://a/b", "Docker images"),
    ("image", "/home/me/x.sif", "Docker images"),
    ("image", "a b", "no spaces"),
    ("image", "quay.io/" + "x" * 248, "255 characters"),
    ("scratch", "scratch", "/path/on/host"),
    ("scratch", "/docker_scratch:/tmp:ro", "cannot be read-only"),
    ("scratch", "/docker_scratch:/", "/path/on/host"),
    ("aws_cli_path", "miniconda", "folder"),
    ("aws_cli_path", "/opt/" + "x" * 200, "folder"),
    ("work_prefix", "/shared/work", "s3://"),
    ("work_prefix", "s3://Not_A_Bucket/x", "no bucket's name"),
    ("log_group", "a b", "log group"),
    ("tags", "project", "key=value"),
    ("tags", "aws:project=x", "aws:"),
    ("tags", "project=100%", "value of project"),
    ("tags", " ".join(f"k{i}=v" for i in range(45)), "too many"),
    ("scheduling_priority", "10000", "0 to 9,999"),
    ("scheduling_priority", "high", "whole number"),
    ("share_identifier", "doe lab", "letters and digits"),
    ("shm_mb", "0", "whole number"),
    ("execute_command", "maybe", "neither yes nor no"),
    ("shm_mb", "2 GB", "whole number"),
    ("volumes", "data", "/path/on/host"),
    ("shared", "genome", "s3://bucket/reference/"),
    ("shared", "s3://Bucket/reference", "s3://bucket/reference/"),
    ("secrets", "TOKEN=hunter2", "ARN"),
    ("secrets", "aws_batch_x=arn:aws:ssm:us-west-2:1:parameter/x", "AWS_BATCH"),
    ("secrets", "HUTCHBATCH_TASK=arn:aws:ssm:us-west-2:1:parameter/x", "HUTCHBATCH_"),
    ("secrets", "2FA=arn:aws:ssm:us-west-2:1:parameter/x", "environment variable"),
]


#: Settings whose resources are read as their options are.
SAME = {name for name in options.PER_JOB if not SETTINGS[name].parse_resource}


@pytest.mark.parametrize(("name", "raw", "parsed"), GOOD)
def test_a_good_value_is_read(name, raw, parsed):
    assert SETTINGS[name].parse(raw) == parsed


@pytest.mark.parametrize(("name", "raw", "hint"), BAD)
def test_a_bad_value_is_refused_with_what_to_type(name, raw, hint):
    with pytest.raises(SettingError, match=re.escape(hint)):
        SETTINGS[name].parse(raw)


@pytest.mark.parametrize(("name", "raw", "hint"), [b for b in BAD if b[0] != "image"])
def test_a_bad_setting_stops_the_run_and_names_its_option(name, raw, hint):
    with pytest.raises(ApiError) as error:
        ExecutorSettings(**{name: raw})
    assert options.option_name(name) in str(error.value)
    assert hint in str(error.value)


@pytest.mark.parametrize(("name", "raw", "hint"), [b for b in BAD if SAME.issuperset(b[:1])])
def test_a_bad_resource_is_refused_by_its_name(name, raw, hint):
    with pytest.raises(SettingError, match=re.escape(hint)) as error:
        options.job_values({f"hutchbatch_{name}": raw})
    assert f"hutchbatch_{name}" in str(error.value)


def test_several_bad_settings_are_reported_together():
    with pytest.raises(ApiError) as error:
        ExecutorSettings(region="Oregon", mode="fast")
    assert "--hutchbatch-region" in str(error.value)
    assert "--hutchbatch-mode" in str(error.value)


def test_files_are_found_again_after_snakemake_has_changed_its_folder(tmp_path, monkeypatch):
    (tmp_path / "own.yaml").write_text("scratch: /big:/tmp\n")
    monkeypatch.chdir(tmp_path)
    settings = ExecutorSettings(site="own.yaml", queue_catalog="own.yaml")
    assert settings.value("site") == settings.value("queue_catalog") == tmp_path / "own.yaml"


def test_a_mistyped_resource_is_not_passed_over():
    with pytest.raises(SettingError, match="hutchbatch_queue"):
        options.job_values({"hutchbatch_que": "mixed"})


def test_the_other_plugins_spellings_are_understood():
    values = options.job_values(
        {
            "batch_queue": "mixed",
            "aws_batch_container_image": "ubuntu:24.04",
            "shared_memory_size_mb": 256,
        }
    )
    assert values == {"queue": ("mixed",), "image": "ubuntu:24.04", "shm_mb": 256}


@pytest.mark.parametrize("reverse", [False, True])
def test_our_spelling_wins_over_the_other_plugins(reverse):
    both = {"batch_queue": "mixed", "hutchbatch_queue": "cpu-spot-30"}
    pairs = reversed(both.items()) if reverse else both.items()
    assert options.job_values(dict(pairs))["queue"] == ("cpu-spot-30",)


def _parsed(arguments, environ=None):
    registry = ExecutorPluginRegistry()
    parser = configargparse.ArgumentParser()
    registry.register_cli_args(parser)
    known, _ = parser.parse_known_args(arguments, env_vars=environ or {})
    return registry.get_plugin("hutchbatch").get_settings(known)


def test_tags_are_read_from_the_command_line():
    got = _parsed(["--hutchbatch-tags", "project=tcr", "lab=Doe lab"])
    assert got.value("tags") == {"project": "tcr", "lab": "Doe lab"}


def test_tags_are_read_from_the_environment():
    got = _parsed([], {"SNAKEMAKE_HUTCHBATCH_TAGS": "project=tcr lab=doe"})
    assert got.value("tags") == {"project": "tcr", "lab": "doe"}


def test_a_setting_is_read_from_the_environment():
    assert _parsed([], {"SNAKEMAKE_HUTCHBATCH_JOB_ROLE": ROLE}).value("job_role") == ROLE


def test_every_setting_has_a_help_text_that_says_its_default():
    for field in dataclasses.fields(ExecutorSettings):
        text = field.metadata["help"]
        assert "default" in text.lower(), field.name
        assert text.endswith("."), field.name
        default = SETTINGS[field.name].default
        if default:
            assert f"Default {default}" in text, field.name


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_the_bounds_in_a_help_text_are_those_of_its_parser(setting):
    for low, high in re.findall(r"(\d+) to (\d+)", setting.help):
        for number in (int(low), int(high)):
            assert setting.parse(number) == number
        for number in (int(low) - 1, int(high) + 1):
            with pytest.raises(SettingError):
                setting.parse(number)


def test_every_setting_is_an_option_or_a_resource_of_its_own_name():
    assert all(name == setting.name for name, setting in SETTINGS.items())
    assert all(setting.is_option or setting.per_rule for setting in SETTINGS.values())
    given = [alias for setting in SETTINGS.values() for alias in setting.aliases]
    assert sorted(given) == sorted(options.ALIASES)


def test_what_is_not_set_has_the_tables_default():
    unset = ExecutorSettings()
    for name, setting in SETTINGS.items():
        assert unset.given(name) is None
        expected = None if setting.default is None else setting.parse(setting.default)
        assert unset.value(name) == expected
    assert unset.value("scratch") == Mount("/docker_scratch", "/tmp")
    assert unset.value("starve_minutes") == 20.0
    assert unset.value("job_role") is None


@pytest.mark.parametrize("name", ["job_role", "execution_role", "aws_cli_path"])
def test_none_is_a_value_of_its_own_and_not_unset(name):
    without = ExecutorSettings(**{name: "none"})
    assert without.given(name) is without.value(name) is NONE
    assert unless_none(without.value(name)) is None
    assert getattr(without, name) == "none"


def test_a_zero_that_was_set_is_not_taken_for_unset():
    settings = ExecutorSettings(tail_lines="0", starve_minutes=0, scheduling_priority="0")
    for name in ("tail_lines", "starve_minutes", "scheduling_priority"):
        assert settings.value(name) == 0
        assert settings.given(name) == 0


def test_a_value_is_parsed_once(tmp_path):
    catalogue = tmp_path / "queues.yaml"
    catalogue.touch()
    settings = ExecutorSettings(queue_catalog=str(catalogue))
    catalogue.unlink()  # its parser would refuse it now
    assert settings.value("queue_catalog") == catalogue
    tags = ExecutorSettings(tags=["lab=doe"])
    assert tags.value("tags") is tags.value("tags")


def test_a_jobs_own_value_wins_over_the_runs_and_that_over_the_default():
    run = ExecutorSettings(aws_cli_path="none", log_group="/lab")
    job = JobSettings(options.job_values({"hutchbatch_aws_cli_path": "/opt/conda"}), run)
    assert (job.value("aws_cli_path"), job.value("log_group")) == ("/opt/conda", "/lab")
    assert (job.given("spot_attempts"), job.value("spot_attempts")) == (None, 5)
    other = JobSettings(options.job_values({"hutchbatch_job_role": "none"}), run)
    assert other.value("job_role") is NONE
    assert other.value("aws_cli_path") is NONE


def test_settings_survive_pickling_copying_and_replacing():
    settings = ExecutorSettings(job_role="none", queue="mixed", volumes=["/a:/b:ro"])
    for again in (
        pickle.loads(pickle.dumps(settings)),  # noqa: S301
        copy.deepcopy(settings),
        dataclasses.replace(settings),
    ):
        assert again == settings
        assert again.value("job_role") is NONE
        assert again.value("volumes") == (Mount("/a", "/b", True),)
    assert dataclasses.replace(settings, queue="auto").value("queue") == ()


def test_a_default_is_read_by_its_own_parser():
    row = Setting("x", int, "N", "Default {default}.", default="7")
    assert (row.default_value, row.help_text) == (7, "Default 7.")


class TestRegistry(TestRegistryBase):
    """Snakemake's own suite for plugins and their settings."""

    __test__ = True

    def get_registry(self):
        return ExecutorPluginRegistry()

    def get_test_plugin_name(self):
        return "hutchbatch"

    def validate_plugin(self, plugin):
        assert plugin.common_settings.implies_no_shared_fs
        assert plugin.settings_cls is ExecutorSettings

    def validate_settings(self, settings, plugin):
        assert settings.value("queue") == ("mixed",)

    def get_example_args(self):
        return ["--hutchbatch-queue", "mixed"]

    def test_registry_register_cli_args(self):
        # The suite's own expects a parser with this one plugin; other plugins may be installed.
        parser = configargparse.ArgumentParser()
        self.get_registry().register_cli_args(parser)
        destinations = {action.dest for action in parser._actions}
        expected = {f"hutchbatch_{f.name}" for f in dataclasses.fields(ExecutorSettings)}
        assert expected <= destinations
