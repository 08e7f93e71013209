"""Hints: what was probably meant, in one line for all rules that it concerns."""

import pytest

from snakemake_executor_plugin_hutchbatch.planning import default_image, foreign_resources
from snakemake_executor_plugin_hutchbatch.planning.foreign_resources import slurm_minutes
from snakemake_executor_plugin_hutchbatch.planning.hints import (
    RuleRequest,
    hints,
    of_rule,
)


def request(**changes):
    fields = {
        "rule": "align",
        "mode": "direct",
        "image": "debian:stable",
        "memory": 2000,
        "threads": 4,
        "resources": {},
    }
    return RuleRequest(**{**fields, **changes})


def test_a_plain_rule_gets_no_hint():
    resources = {"mem_mb": 4000, "runtime": 60, "tmpdir": "/tmp", "gpu": 1}
    assert hints([request(resources=resources, command="samtools sort x")]) == []


@pytest.mark.parametrize(
    ("resources", "meant"),
    [
        ({"time": "02:30:00"}, "runtime=150"),
        ({"time_min": 90}, "runtime=90"),
        ({"walltime": "1-00:00:00"}, "runtime=1440"),
        ({"time": "soon"}, "runtime, in minutes"),
        ({"cpus_per_task": 16}, "threads: 16"),
        ({"mem_gb": 8}, "mem_mb=8000"),
        ({"mem_gb": "8"}, "mem_mb=8000"),
        ({"mem_mb_per_cpu": 500}, "mem_mb=2000"),
    ],
)
def test_a_resource_of_a_cluster_names_what_would_be_meant(resources, meant):
    (hint,) = of_rule(request(resources=resources))
    assert meant in hint


@pytest.mark.parametrize(
    "resources",
    [
        {"time": "02:30:00", "runtime": 150},
        {"cpus_per_task": 4},
        {"mem_gb": 8, "mem_mb": 8000},
        {"mem_mb_per_cpu": "<TBD>"},
    ],
)
def test_a_resource_that_repeats_what_counts_gets_no_hint(resources):
    assert list(of_rule(request(resources=resources))) == []


def test_settings_of_another_executor_are_named_together():
    resources = {"slurm_partition": "short", "slurm_account": "x", "qos": "low"}
    (hint,) = of_rule(request(resources=resources))
    assert hint == (
        "qos, slurm_account, slurm_partition are settings of Slurm and change nothing on AWS "
        "Batch; here qos is hutchbatch_scheduling_priority, slurm_account is hutchbatch_tags, "
        "slurm_partition is hutchbatch_queue"
    )


@pytest.mark.parametrize(
    ("resources", "hint"),
    [
        (
            {"slurm_extra": "x"},
            "slurm_extra is a setting of Slurm and changes nothing on AWS Batch",
        ),
        ({"machine_type": "n2"}, "here it is hutchbatch_queue: the queue decides which machines"),
        ({"nvidia_gpu": 1}, "is a setting of Google Batch and changes nothing on AWS Batch; here"),
        ({"tes_x": 1}, "tes_x is a setting of TES"),
        ({"request_memory": 1}, "here it is mem_mb=8000"),
    ],
)
def test_a_resource_of_another_plugin_leads_to_what_does_the_same_here(resources, hint):
    (found,) = of_rule(request(resources=resources))
    assert hint in found


def test_what_is_written_for_both_executors_is_not_said_again():
    resources = {"slurm_partition": "short", "hutchbatch_queue": "mixed"}
    (hint,) = of_rule(request(resources=resources))
    assert hint.endswith("changes nothing on AWS Batch")


def test_each_counterpart_is_one_of_a_name_that_is_recognised():
    for name in foreign_resources.COUNTERPARTS:
        assert foreign_resources._owner(name)


def test_gigabytes_written_as_megabytes_are_pointed_out():
    (hint,) = of_rule(request(resources={"mem": 98, "mem_mb": 98, "mem_mib": 94}, memory=128))
    assert "98 MB" in hint
    assert "mem_mb=98_000" in hint


def test_an_environment_that_is_not_made_is_pointed_out_with_the_image_that_must_serve():
    (hint,) = of_rule(request(conda=True))
    assert "debian:stable" in hint
    assert "--software-deployment-method conda" in hint
    assert list(of_rule(request(conda=True, conda_used=True))) == []


def test_an_image_under_snakemake_that_may_lack_it_is_named():
    (hint,) = of_rule(request(mode="snakemake"))
    assert "debian:stable" in hint
    assert list(of_rule(request(mode="snakemake", image="snakemake/snakemake:v9"))) == []


@pytest.mark.parametrize(
    "command",
    ["module load samtools; samtools x", "set -x\nml samtools", "true && module add BWA/1"],
)
def test_environment_modules_are_pointed_out(command):
    (hint,) = of_rule(request(command=command))
    assert "module" in hint


@pytest.mark.parametrize("command", ["python -m module load", "echo module", "html load x"])
def test_other_commands_are_no_environment_modules(command):
    assert list(of_rule(request(command=command))) == []


def test_rules_with_the_same_hint_share_one_line():
    (line,) = hints(request(rule=f"r{n}", resources={"mem_gb": 8}) for n in range(7))
    assert line.startswith("Rules r0, r1, r2, r3, r4 and 2 more: ")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("120", 120),
        (120, 120),
        ("90:30", 91),
        ("01:30:00", 90),
        ("1-12", 2160),
        ("2-00:30", 2910),
        ("2h", 120),
        ("90min", 90),
        ("1.5h", 90),
        ("", None),
        ("lots", None),
    ],
)
def test_times_are_read_as_slurm_reads_them(text, minutes):
    assert slurm_minutes(text) == minutes


@pytest.mark.parametrize(
    ("command", "programs"),
    [
        ("curl -L https://example.org/x > {output}", "curl"),
        ("mkdir -p d && wget -q https://example.org/x", "wget"),
        ("x=$(git rev-parse HEAD)\n(curl x | gzip) > {output}", "git and curl"),
        ("for u in a b; do wget $u; done", "wget"),
    ],
)
def test_programs_that_the_default_image_lacks_are_named(command, programs):
    (hint,) = of_rule(request(image=default_image.image(), command=command))
    assert hint.startswith(f"its command uses {programs}, which the default image ")


@pytest.mark.parametrize(
    "command", ["echo curl > {output}", "cat wget.txt git/x", "digit 3", "./git x", "libcurl x"]
)
def test_words_that_are_no_commands_get_no_hint(command):
    assert list(of_rule(request(image=default_image.image(), command=command))) == []


def test_an_image_of_the_rule_s_own_may_have_them():
    assert list(of_rule(request(image="quay.io/us/tools:1", command="curl x"))) == []
    conda = request(image=default_image.image(), command="curl x", conda=True, conda_used=True)
    assert list(of_rule(conda)) == []
