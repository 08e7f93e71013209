"""What is read of a ``nextflow.config``, and what a profile says of it."""

import textwrap

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.nextflow.carried import Carried
from snakemake_executor_plugin_hutchbatch.nextflow.config import read
from snakemake_executor_plugin_hutchbatch.nextflow.expressions import Amount, Raw, quantity
from snakemake_executor_plugin_hutchbatch.nextflow.syntax import NextflowError
from snakemake_executor_plugin_hutchbatch.nextflow.translation import translate


def value(text):
    """The one value of a config ``process.x = <text>``."""
    (entry,) = read(f"process.x = {text}\n").entries
    return entry.value


def carried(text, profile=None, **files):
    return translate(read(textwrap.dedent(text), profile, files.get))


def lost(made):
    return [each.what for each in made.left if not each.needless]


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
    assert lost(made) == ["params.region", "profiles: standard"]
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
    assert lost(made) == ["retries 3 of metaphlan2"]
    assert [each.what for each in made.left if each.needless] == [
        "process.executor",
        "docker.enabled",
        "process.errorStrategy 'finish' of metaphlan2",
    ]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("aws.batch.jobRole = '<YOUR JOB ROLE ARN HERE>'", "a job role is an ARN like"),
        ("workDir = '/scratch/work'", "jobs need a location in S3"),
        ("process.cpus = 4", "set-threads (4)"),
        ("process.publishDir = 'results'", "name the results in the rules' output:"),
        ("process { withLabel: big { memory = 64.GB } }", "withLabel big: memory = 64.GB"),
        ("process { withName: '.*ALIGN' { cpus = 2 } }", "withName .*ALIGN: cpus = 2"),
        ("process { withName: '!A' { cpus = 2 } }", "withName !A: cpus = 2"),
        ("process.secret = 'KEY'", "(AWS Secrets Manager) in hutchbatch-secrets: KEY=arn:…"),
        ("process.secret = ['A', 'B']", "name their ARNs (AWS Secrets Manager) in hutchbatch-secr"),
        ("env { TOKEN = 'sesame' }", "env.TOKEN: export it where Snakemake runs, and name it in"),
        ("aws.profile = 'lab'", "set AWS_PROFILE where Snakemake runs"),
        ("process.scratch = true", "jobs always work on the machine's scratch disk"),
        ("conda.cacheDir = '/x'", "environments are built on AWS Batch and kept in S3"),
        ("process.clusterOptions = '-A lab'", "a cluster's scheduler has these options"),
        ("process.arch = 'linux/arm64'", "for Arm name a queue of Graviton machines"),
        ("process.maxForks = 4", "--resources slots=4"),
        ("process.maxRetries = 3", "it only counts beside errorStrategy 'retry'"),
        ("process.accelerator = [request: 1, type: 'v100']", "which GPU: the queue decides"),
        ("process.queue = { task.attempt > 1 ? 'od' : 'spot' }", "hutchbatch-queue: od,spot"),
        ("process.containerOptions = '--privileged'", "hutchbatch has no setting for this option"),
        ("docker.runOptions = '-u $(id -u):$(id -g)'", "jobs run as root, or as the user in"),
        ('process.containerOptions = "--x \'y"', "its quotes do not close"),
        ("wholly.new = 1", "hutchbatch has no counterpart"),
        ("includeConfig 'conf/base.config'", "includeConfig 'conf/base.config'"),
        ("if (params.x) { process.cpus = 2 }\n", "Groovy code is not run"),
        ("timeline.enabled = true", "hutchbatch report draws a run"),
        ("process.memory = { big(it) }", "write a function in the rule"),
        (
            "process.errorStrategy = 'ignore'",
            "has keep-going: a failed job counts as failed, others continue",
        ),
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
        (7, "profiles: arm, test"),
    ]


def test_credentials_are_neither_carried_over_nor_shown():
    made = carried("aws.accessKey = 'AKIA123'\naws { secretKey = 'sesame' }\n")
    reported = " ".join(map(str, made.left))
    assert "credentials do not belong in a profile" in reported
    assert "AKIA123" not in reported + str(vars(made))
    assert "sesame" not in reported + str(vars(made))


@pytest.mark.parametrize(
    "text",
    [
        "docker.runOptions = '-e TOKEN=sesame -eTOKEN=sesame -e=X=sesame --env=Y=sesame'",
        "process { withName: 'a.*' { containerOptions = '-e TOKEN=sesame' } }",
        "process { withLabel: big { ext.token = 'sesame' } }",
        "includeConfig 'https://me:sesame@github.com/x.config'",
    ],
)
def test_secrets_in_what_is_not_carried_over_are_not_shown(text):
    made = carried(text)
    assert made.left
    assert "sesame" not in " ".join(map(str, made.left))


def test_volumes_that_cannot_be_mounted_are_named_and_the_others_kept():
    made = carried("aws.batch.volumes = ['/docker_scratch:/tmp:ro', 'data', '/refs:/refs:ro']")
    assert made.settings == {"volumes": ["/refs:/refs:ro"]}
    read_only, relative = made.left
    assert "/docker_scratch:/tmp:ro: the scratch is where jobs write" in read_only.why
    assert relative.why.startswith("data: ")


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


def test_patterns_that_begin_alike_are_kept_apart():
    made = carried(
        """\
        process {
            withName: '.*:SALMON' { cpus = 4 }
            withName: '.*:SALMON2' { cpus = 8 }
            withName: '.*:STAR.*' { cpus = 16; queue = 'mixed' }
            withName: '.*:STAR2.*' { cpus = 12 }
        }
        """
    )
    assert made.threads == {"SALMON": 4, "SALMON2": 8}
    assert lost(made) == [
        "withName .*:STAR.*: cpus = 16, queue = 'mixed'",
        "withName .*:STAR2.*: cpus = 12",
    ]


def test_a_selector_names_rules_by_the_last_parts_of_its_alternatives():
    made = carried("process { withName: '(QC|PREPARE):TRIM|.*:ALIGN:(SORT|MERGE)' { time = 1.h } }")
    assert made.rules == {key: {"runtime": 60} for key in ("TRIM", "SORT", "MERGE")}


def test_processes_of_two_workflows_that_are_one_rule_here_are_reported():
    made = carried("process { withName: 'A:X' { cpus = 1 }\n withName: 'B:X' { cpus = 2 } }")
    assert made.threads == {"X": 2}
    (left,) = made.left
    assert "A:X sets it, too, and is the same rule here: this one counts" in str(left)
    same = "process { withName: 'A:X' { cpus = 2 }\n withName: 'B:X' { cpus = 2 } }"
    assert carried(same).left == []


def test_options_of_docker_become_settings_of_a_rule_or_of_all():
    made = carried(
        """\
        docker.runOptions = '--rm -u 1000:1000 -v /refs:/refs:ro'
        process {
            withName: 'train' { containerOptions = '--shm-size=8g --gpus all -v/data:/data' }
            withName: 'show' { containerOptions = '--shm-size 256m --user root' }
        }
        """
    )
    assert made.settings == {"container_user": "1000:1000", "volumes": ["/refs:/refs:ro"]}
    assert made.rules == {
        # Docker's 8g are 8 GiB.
        "train": {"hutchbatch_shm_mb": 8590, "hutchbatch_volumes": "/data:/data"},
        "show": {"hutchbatch_shm_mb": 269, "hutchbatch_container_user": "root"},
    }
    (left,) = [each for each in made.left if not each.needless]
    assert str(left) == (
        "line 3: process.containerOptions of train: --gpus all: ask for GPUs in the rule's "
        "resources: gpu=1"
    )


def test_limits_of_resources_become_limits_of_what_grows():
    made = carried(
        """\
        process {
            resourceLimits = [ cpus: 16, memory: 128.GB, time: 48.h ]
            memory = { 48.GB * task.attempt }
            time = 96.h
            withName: big { cpus = { 12 * task.attempt } }
        }
        """
    )
    assert made.defaults == {"mem_mb": "min(48000 * attempt, 128000)", "runtime": 2880}
    assert made.threads == {"big": "min(12 * attempt, 16)"}
    assert (made.max_threads, made.left) == (16, [])


def test_the_limits_of_older_pipelines_count_where_they_are_used():
    text = "params { max_memory = '64.GB'; max_cpus = 8 }\nprocess.memory = %s\n"
    made = carried(text % "{ check_max( 6.GB * task.attempt, 'memory' ) }")
    assert made.defaults == {"mem_mb": "min(6000 * attempt, 64000)"}
    assert (made.max_threads, made.left) == (8, [])
    assert lost(carried(text % "6.GB")) == ["params"]


def test_conda_is_switched_on_and_s3_is_used_as_the_config_says():
    made = carried(
        """\
        conda.enabled = true
        docker.registry = 'quay.io'
        aws.client { s3Acl = 'BucketOwnerFullControl'; storageEncryption = 'AES256'
                     requesterPays = true; uploadStorageClass = 'INTELLIGENT_TIERING' }
        process { container = 'biocontainers/fastqc:0.12'
                  withName: x { container = 'docker.io/library/ubuntu:22.04' } }
        """
    )
    assert made.conda
    assert made.settings == {
        "s3_acl": "bucket-owner-full-control",
        "s3_sse": "AES256",
        "s3_request_payer": "requester",
        "s3_storage_class": "INTELLIGENT_TIERING",
    }
    assert made.container_image == "quay.io/biocontainers/fastqc:0.12"
    assert made.rules["x"] == {"hutchbatch_image": "docker.io/library/ubuntu:22.04"}
    assert lost(made) == ["docker.registry"]  # of images in the Snakefile


@pytest.mark.parametrize(
    ("condition", "codes"),
    [
        ("task.exitStatus in ((130..145) + 104 + 175) ? 'retry' : 'finish'", "130-145,104,175"),
        ("task.exitStatus in [143,137] ? 'retry' : 'finish'", "143,137"),
        ("task.exitStatus == 137 ? 'retry' : 'terminate'", "137"),
        ("(task.exitStatus in [1, 2] && task.attempt <= 2) ? 'retry' : 'ignore'", "1,2"),
        ("task.exitStatus in params.codes ? 'retry' : 'finish'", None),
        ("task.exitStatus in [1] || task.exitStatus == 2 ? 'retry' : 'finish'", None),
        ("task.exitStatus in [1] ? 'finish' : 'retry'", None),
        ("task.attempt <= 2 && task.exitStatus in [137] ? 'retry' : 'finish'", "137"),
        ("return (task.exitStatus in [137] ? 'retry' : 'finish')", "137"),
        ("!(task.exitStatus in [1]) ? 'retry' : 'finish'", None),
        ("params.often || task.exitStatus in [1] ? 'retry' : 'finish'", None),
        ("params.often && task.exitStatus in [1] ? 'retry' : 'finish'", None),
        ("task.exitStatus in [1] ? 'retry' : task.attempt < 3 ? 'retry' : 'ignore'", None),
    ],
)
def test_exit_codes_after_which_a_job_is_tried_again_are_kept(condition, codes):
    made = carried(f"process.errorStrategy = {{ {condition} }}\nprocess.maxRetries = 2")
    assert made.settings == ({"retry_exit_codes": codes} if codes else {})
    assert made.retries == 2
    assert any("hutchbatch_retry_exit_codes" in each.why for each in made.left) == (codes is None)


def test_a_rule_has_its_own_exit_codes_in_words_that_snakemake_does_not_calculate():
    made = carried(
        """\
        process {
            errorStrategy = { task.exitStatus in [1] ? 'retry' : 'finish' }
            withName: a { errorStrategy = { task.exitStatus in (130..145) + 2 ? 'retry' : 'x' } }
            withName: b { errorStrategy = 'retry' }
        }
        """
    )
    assert made.settings == {"retry_exit_codes": "1"}
    assert made.rules == {
        "a": {"hutchbatch_retry_exit_codes": "130..145 2"},
        "b": {"hutchbatch_retry_exit_codes": "1..255"},
    }


def test_included_files_are_read_where_they_stand():
    made = carried(
        """\
        includeConfig 'conf/base.config'
        process.queue = 'mixed'
        includeConfig "$projectDir/conf/more.config"
        profiles {
            test { includeConfig 'conf/test.config' }
            other { includeConfig 'conf/none.config' }
        }
        """,
        "test",
        **{
            "conf/base.config": "process { queue = 'low'\n memory = 4.GB }",
            "conf/more.config": "includeConfig 'deeper.config'\n",
            "conf/deeper.config": "process.foo = 1\n",
            "conf/test.config": "process { time = 1.h }",
        },
    )
    assert made.defaults == {"mem_mb": 4000, "runtime": 60}
    assert made.settings == {"queue": "mixed"}
    assert list(map(str, made.left)) == [
        "line 6: profiles: other: use --nextflow-profile to choose one of them instead",
        "conf/deeper.config line 1: process.foo: hutchbatch has no counterpart",
    ]


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("'missing.config'", "there is no such file beside the config"),
        ("'https://example.org/x.config'", "only files beside the config are read"),
        ("params.x ? 'a.config' : 'b.config'", "only files beside the config are read"),
        ("'broken.config'", "line 1: this { has no }"),
        ("'circle.config'", "files that include each other"),
    ],
)
def test_an_included_file_that_cannot_be_read_is_named(named, why):
    files = {"broken.config": "process {", "circle.config": "includeConfig 'circle.config'"}
    (left,) = carried(f"includeConfig {named}", **files).left
    assert why in str(left)


#: https://www.nextflow.io/docs/latest/reference/process.html#directives, and of
#: https://www.nextflow.io/docs/latest/reference/config.html what it names for AWS and containers.
NAMES = """
    accelerator afterScript arch array beforeScript cache clusterOptions conda container
    containerOptions cpus debug disk echo errorStrategy executor ext fair label machineType
    maxErrors maxForks maxRetries maxSubmitAwait memory module penv pod publishDir queue
    resourceLabels resourceLimits scratch secret shell spack stageInMode stageOutMode storeDir
    tag time when nobodyknows
""".split()  # noqa: SIM905 - easier to read
SCOPES = """
    aws.accessKey aws.profile aws.region aws.batch.cliPath aws.batch.delayBetweenAttempts
    aws.batch.executionRole aws.batch.forceGlacierTransfer aws.batch.jobRole
    aws.batch.logsGroup aws.batch.maxParallelTransfers aws.batch.maxSpotAttempts
    aws.batch.maxTransferAttempts aws.batch.platformType aws.batch.retryMode
    aws.batch.schedulingPriority aws.batch.shareIdentifier
    aws.batch.terminateUnschedulableJobs aws.batch.volumes aws.client.anonymous
    aws.client.endpoint aws.client.maxConnections aws.client.requesterPays aws.client.s3Acl
    aws.client.storageEncryption aws.client.storageKmsKeyId aws.client.uploadStorageClass
    cleanup conda.cacheDir conda.channels conda.enabled docker.enabled docker.registry
    docker.runOptions dag.enabled env.X executor.cpus executor.queueSize fusion.enabled
    k8s.pod mail.to manifest.name notification.enabled nextflow.enable.strict params.x
    podman.enabled report.file sarus.enabled singularity.runOptions tower.accessToken
    trace.fields wave.enabled weblog.url workDir nobody.knows
""".split()  # noqa: SIM905 - easier to read
VALUES = [
    *("'x'", "''", "1", "true", "false", "null", "8.GB", "[]", "[a: 1]", "['x']", "{ x }"),
    *(
        "{ 2 * task.attempt }",
        "'retry'",
        "'s3://bucket/x'",
        "{ task.exitStatus in [1] ? 'x' : 'y' }",
    ),
]


@pytest.mark.parametrize("name", [*(f"process.{name}" for name in NAMES), *SCOPES])
def test_nothing_is_dropped_without_a_line(name):
    for value in VALUES:
        text = f"{name} = {value}\n"
        assert carried(text) != Carried(), text
        if name.startswith("process."):
            made = carried(f"process.withName:A.{name.removeprefix('process.')} = {value}\n")
            assert made != Carried(), text


def test_a_block_may_open_in_the_next_line():
    assert carried("process\n{ memory = 1.GB }").defaults == {"mem_mb": 1000}


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
