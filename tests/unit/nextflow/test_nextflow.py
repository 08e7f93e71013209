"""What is read of a ``nextflow.config``, and what a profile says of it."""

import textwrap

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.nextflow.expressions import Amount, Raw, quantity
from snakemake_executor_plugin_hutchbatch.nextflow.syntax import NextflowError, read
from snakemake_executor_plugin_hutchbatch.nextflow.translation import translate


def value(text):
    """The one value of a config ``process.x = <text>``."""
    (entry,) = read(f"process.x = {text}\n").entries
    return entry.value


def carried(text, profile=None):
    return translate(read(textwrap.dedent(text), profile))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("'one'", "one"),
        ('"one"', "one"),
        ("'''one'''", "one"),
        (r"'it\'s'", "it's"),
        ("true", True),
        ("null", None),
        ("['a', \"b\",\n 'c']", ["a", "b", "c"]),
        ("[lab: 'doe', project: 'tcr']", {"lab": "doe", "project": "tcr"}),
        ("4", Amount(4)),
        ("8.GB", Amount(8000, unit="MB")),
        ("8GB", Amount(8000, unit="MB")),
        ("1.5.GB", Amount(1500, unit="MB")),
        ("2.h", Amount(120, unit="minutes")),
        ("{ 8.GB * task.attempt }", Amount(0, 8000, "MB")),
        ("{ task.attempt * 8.GB }", Amount(0, 8000, "MB")),
        ("{ 2.GB + 4.GB * (task.attempt - 1) }", Amount(-2000, 4000, "MB")),
        ("{ check_max( 6.GB * task.attempt, 'memory' ) }", Amount(0, 6000, "MB")),
        ("{ 8.GB * 2 ** task.attempt }", Raw("{ 8.GB * 2 ** task.attempt }")),
        ("{ task.attempt > 2 ? 8.GB : 4.GB }", Raw("{ task.attempt > 2 ? 8.GB : 4.GB }")),
        ("'${HOME}/x'", "${HOME}/x"),
        ('"${HOME}/x"', Raw('"${HOME}/x"')),
        ("params.queue ?: 'mixed'", "mixed"),
        ("task.ext.x ?: 'mixed'", Raw("task.ext.x ?: 'mixed'")),
        ("<YOUR ROLE>", Raw("<YOUR ROLE>")),
    ],
)
def test_a_value_is_read_or_kept_as_its_text(text, meant):
    assert value(text) == meant


@pytest.mark.parametrize(
    ("given_as", "unit", "meant"),
    [
        ("8 GB", "MB", 8000),
        ("8.GB", "MB", 8000),
        ("500 MB", "MB", 500),
        ("1d 6h", "minutes", 1800),
        ("90m", "minutes", 90),
        (Amount(2_000_000_000), "MB", 2000),
    ],
)
def test_quantities_have_many_spellings(given_as, unit, meant):
    assert quantity(given_as, unit).base == meant


@pytest.mark.parametrize(("text", "unit"), [("8 GB", "minutes"), ("much", "MB"), ("8 XB", "MB")])
def test_what_is_no_quantity_is_none(text, unit):
    assert quantity(text, unit) is None


def test_blocks_dots_selectors_and_comments_name_the_same_settings():
    entries = read(
        textwrap.dedent(
            """\
            aws { batch { cliPath = '/x/bin/aws' }   // where
                  region = "us-west-2" }
            /* nothing = here
            */
            process.withName:'ALIGN'.cpus = 2; process.$SORT.cpus = 3
            process {
                withLabel: low_mem {
                    cpus = 1
                }
                'withName:CALL' { cpus = 4 }
                withName: ~/.*X/ { cpus = 5 }
            }
            """
        )
    ).entries
    assert [(".".join(e.path), e.selector, e.line) for e in entries] == [
        ("aws.batch.cliPath", None, 1),
        ("aws.region", None, 2),
        ("process.cpus", ("withName", "ALIGN"), 5),
        ("process.cpus", ("withName", "SORT"), 5),
        ("process.cpus", ("withLabel", "low_mem"), 8),
        ("process.cpus", ("withName", "CALL"), 10),
        ("process.cpus", ("withName", "~/.*X/"), 11),
    ]


PROFILES = """\
    params.region = 'eu-west-1'
    profiles {
        cloud {
            aws.region = "${params.region}"
            process { executor = 'awsbatch'
                      queue = 'mixed' }
        }
        standard { process.executor = 'local' }
    }
    """


def test_the_profile_on_batch_counts_unless_another_is_named():
    made = carried(PROFILES)
    assert made.settings == {"region": "eu-west-1", "queue": "mixed"}
    assert [e.what for e in made.left] == ["params.region", "the profile standard"]
    assert carried(PROFILES, "standard").settings == {}
    with pytest.raises(NextflowError, match="there are: cloud, standard"):
        carried(PROFILES, "clod")


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("process {\n cpus = 1\n", "line 1: this { has no }"),
        ("a = 1\n}\n", "line 2: this } has no {"),
        ("\nx = [1,\n2\n", "line 2: this [ has no ]"),
    ],
)
def test_an_unclosed_bracket_is_reported_with_its_line(text, reported):
    with pytest.raises(NextflowError) as error:
        read(text)
    assert str(error.value) == reported


HUTCH = """\
    // as SciComp's pages show it
    process.executor = 'awsbatch'
    process.queue = 'mixed'
    aws.region = 'us-west-2'
    workDir = "s3://fh-pi-doe-j/scratch-delete-30/nextflow/work/"
    aws {
        batch {
            cliPath = '/home/ec2-user/miniconda/bin/aws'
            jobRole = 'arn:aws:iam::123456789012:role/fh-pi-doe-j-batchtask'
            volumes = ['/docker_scratch:/tmp:rw', '/refs:/refs:ro']
            maxSpotAttempts = 4
        }
    }
    docker.enabled = true
    executor.queueSize = 200
    process {
        memory = '2 GB'
        container = 'ubuntu:22.04'
        resourceLabels = [project: 'tcr']
        errorStrategy = 'retry'
        maxRetries = 2
        withName: 'metaphlan2' {
            errorStrategy = {task.attempt <= 3 ? 'retry' : 'finish'}
            maxRetries = 3
            memory = {4.GB * task.attempt}
            cpus = 2
            time = {4.h * task.attempt}
            queue = 'cpu-spot-40'
            container = 'quay.io/biocontainers/metaphlan2:2.9.20'
        }
        withName: 'qc|flow:merge' { cpus = { 1 * task.attempt }
                                    accelerator = 1 }
    }
    """


def test_a_hutch_config_becomes_settings_and_resources():
    made = carried(HUTCH)
    assert made.settings == {
        "queue": "mixed",
        "region": "us-west-2",
        "work_prefix": "s3://fh-pi-doe-j/scratch-delete-30/nextflow/work/",
        "aws_cli_path": "/home/ec2-user/miniconda/bin/aws",
        "job_role": "arn:aws:iam::123456789012:role/fh-pi-doe-j-batchtask",
        "scratch": "/docker_scratch:/tmp",
        "volumes": ["/refs:/refs:ro"],
        "spot_attempts": "4",
        "tags": ["project=tcr"],
    }
    assert made.defaults == {"mem_mb": 2000}
    assert (made.jobs, made.container_image, made.retries) == (200, "ubuntu:22.04", 2)
    assert made.rules == {
        "metaphlan2": {
            "mem_mb": "4000 * attempt",
            "runtime": "240 * attempt",
            "hutchbatch_queue": "cpu-spot-40",
            "hutchbatch_image": "quay.io/biocontainers/metaphlan2:2.9.20",
        },
        "qc": {"gpu": 1},
        "merge": {"gpu": 1},
    }
    assert made.threads == {"metaphlan2": 2, "qc": "attempt", "merge": "attempt"}
    assert [e.what for e in made.left] == ["retries of metaphlan2"]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("aws.batch.jobRole = '<YOUR JOB ROLE ARN HERE>'", "a job role is an ARN like"),
        ("workDir = '/scratch/work'", "jobs need a location in S3"),
        ("process.cpus = 4", "set-threads (4)"),
        ("process.publishDir = 'results'", "name the results in the rules' output:"),
        ("process { withLabel: big { memory = 64.GB } }", "withLabel big: memory = 64.GB"),
        ("process { withName: '.*ALIGN' { cpus = 2 } }", "withName .*ALIGN: cpus = 2"),
        ("includeConfig 'conf/base.config'", "includeConfig 'conf/base.config'"),
        ("if (params.x) { process.cpus = 2 }\n", "Groovy code is not run"),
        ("timeline.enabled = true", "reports: "),
        ("process.memory = { big(it) }", "it is not a plain value"),
        ("process.errorStrategy = 'ignore'", "with keep-going the others continue"),
    ],
)
def test_what_is_not_carried_over_is_named(text, reported):
    (left,) = carried(text).left
    assert left.line == 1
    assert reported in str(left)


def test_what_belongs_together_is_reported_in_one_line():
    made = carried(
        """\
        plugins {
            id 'nf-schema@2.5.1' // checks
        }
        process {
            withLabel:big { cpus = 12; memory = { 72.GB * task.attempt } }
        }
        profiles { arm { docker.enabled = true }
                   test { params.x = { it.replaceFirst(/^a\\/(/, '') } } }
        """
    )
    assert [(e.line, e.what) for e in made.left] == [
        (2, "plugins"),
        (5, "withLabel big: cpus = 12, memory = { 72.GB * task.attempt }"),
        (7, "the profiles arm, test"),
    ]


def test_credentials_are_neither_carried_over_nor_shown():
    made = carried("aws.accessKey = 'AKIA123'\naws { secretKey = 'sesame' }\n")
    reported = " ".join(map(str, made.left))
    assert "credentials do not belong in a profile" in reported
    assert "AKIA123" not in reported + str(vars(made))
    assert "sesame" not in reported + str(vars(made))


@pytest.mark.parametrize(
    ("text", "retries"),
    [
        ("process.errorStrategy = 'retry'", 1),
        ("process.errorStrategy = 'retry'\nprocess.maxRetries = 4", 4),
        ("process.errorStrategy = 'finish'\nprocess.maxRetries = 4", None),
        (
            "process.maxRetries = 9\nprocess.errorStrategy = {task.attempt < 3 ? 'retry':'finish'}",
            2,
        ),
        ("process { withName: a { errorStrategy = 'retry'; maxRetries = 3 } }", 3),
    ],
)
def test_retries_are_those_that_nextflow_would_make(text, retries):
    assert carried(text).retries == retries


PIECES = [
    "process",
    "withName:",
    "'x'",
    '"$y"',
    "{",
    "}",
    "[",
    "]",
    "(",
    "=",
    ".",
    "\n",
    ";",
    "8.GB",
]


@given(
    st.lists(st.sampled_from([*PIECES, "//", "/*", "*", "task.attempt", "def", "~/a/", "params"]))
)
@example(["process", "=", "\n", "?"])
def test_any_text_is_read_or_refused_with_a_sentence(pieces):
    try:
        translate(read(" ".join(pieces)))
    except NextflowError as error:
        assert str(error).startswith("line ")


@given(st.text(max_size=60))
def test_any_characters_are_read_or_refused_with_a_sentence(text):
    try:
        translate(read(text))
    except NextflowError as error:
        assert str(error).startswith("line ")
