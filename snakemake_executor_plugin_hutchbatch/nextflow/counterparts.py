"""What Snakemake and hutchbatch have in place of settings of Nextflow that a profile cannot take
over as they are.

Names are those of https://www.nextflow.io/docs/latest/reference/config.html and
https://www.nextflow.io/docs/latest/reference/process.html#directives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Counterpart:
    """``form``: of the setting's whole name; ``instead``: what does it here, or why nothing does;
    ``needless``: nothing is lost without it; ``group``: sums up all that fit in one line."""

    form: str
    instead: str
    needless: bool = False
    group: str = ""


def _needless(form: str, instead: str, group: str = "") -> Counterpart:
    return Counterpart(form, instead, True, group)


_PROCESS = (
    Counterpart(r"publishDir(\..*)?", "name the results in the rules' output:"),
    Counterpart(r"ext(\..*)?", "arguments of a program: put them into the rule's shell:"),
    Counterpart(r"conda(\..*)?", "name an environment file in the rule's conda:"),
    Counterpart(
        r"(module|spack)", "put the programs into an image (container:) or conda: of the rule"
    ),
    Counterpart(r"(before|after)Script", "put it into the rule's shell:"),
    Counterpart(r"shell", "name the shell in the rule's resources: shell_exec='bash'"),
    Counterpart(r"clusterOptions", "a cluster's scheduler has these options, AWS Batch has not"),
    Counterpart(r"penv", "an environment of SGE, which AWS Batch does not have"),
    Counterpart(r"pod", "a setting of Kubernetes, which AWS Batch does not use here"),
    Counterpart(r"machineType", "the queue decides: hutchbatch queues shows its machines"),
    Counterpart(
        r"arch", "the queue decides: for Arm name a queue of Graviton machines in hutchbatch_queue"
    ),
    Counterpart(r"storeDir", "a rule does not run again while its outputs are there"),
    Counterpart(
        r"maxForks",
        "give the rule a resource (resources: slots=1) and limit it: --resources slots=4",
    ),
    Counterpart(
        r"(maxErrors|maxSubmitAwait)", "with keep-going, which this profile has, others continue"
    ),
    Counterpart(r"label", "rules have no labels"),
    Counterpart(r"when", "in the Snakefile, an if or an input function does it"),
    Counterpart(r"resourceLimits", "it is not a plain list of plain values"),
    _needless(r"executor", "the profile's executor is hutchbatch"),
    _needless(r"array", "equal jobs become array jobs by themselves (hutchbatch-array-size)"),
    _needless(r"scratch", "jobs always work on the machine's scratch disk (hutchbatch-scratch)"),
    _needless(r"stage(In|Out)Mode", "inputs are fetched from S3 and outputs stored there"),
    _needless(r"tag", "jobs are named by rule and wildcards"),
    _needless(r"(echo|debug)", "hutchbatch logs shows what a job prints"),
    _needless(r"(cache|fair|resume)", "Snakemake runs what is missing or out of date"),
)

_RUN = (
    Counterpart(
        r"params(\..*)?",
        "values for the workflow: put them into config.yaml",
        group="params",
    ),
    Counterpart(
        r"env(\..*)?",
        "export it where Snakemake runs, and name it in the Snakefile's envvars:",
        group="env",
    ),
    Counterpart(
        r"aws\.(accessKey|secretKey|sessionToken)", "credentials do not belong in a profile"
    ),
    Counterpart(
        r"aws\.profile", "set AWS_PROFILE where Snakemake runs: that chooses your credentials"
    ),
    Counterpart(r"aws\.client\.endpoint", "set AWS_ENDPOINT_URL_S3 where Snakemake runs"),
    Counterpart(
        r"aws\.client\.(anonymous|protocol|proxy.*)",
        "set it for all of AWS's tools: ~/.aws/config, HTTPS_PROXY",
    ),
    Counterpart(
        r"aws\.batch\.terminateUnschedulableJobs",
        "hutchbatch says why a job waits, and moves it to the next queue (hutchbatch-queue: a,b)",
    ),
    Counterpart(
        r"aws\.batch\.forceGlacierTransfer",
        "archived inputs are refused before any job, with the command that restores them",
    ),
    Counterpart(r"(timeline|report|trace|dag)(\..*)?", "hutchbatch report draws a run", group="*"),
    Counterpart(
        r"(mail|notification)(\..*)?",
        "hutchbatch-notify sends a note at the end: to a webhook, or by a command such as mail",
        group="*",
    ),
    Counterpart(r"conda\.channels", "name channels in environment files, or in ~/.condarc"),
    Counterpart(r"executor\.(cpus|memory)", "AWS Batch's queues limit what runs at once"),
    Counterpart(r"(cleanup|outputDir)", "rules name their files; temp() removes some"),
    Counterpart(r"docker\.(envWhitelist)", "name variables for jobs in the Snakefile's envvars:"),
    _needless(r"aws\.batch\.platformType", "jobs run on machines (EC2)"),
    _needless(
        r"aws\.batch\.(max(ParallelTransfers|TransferAttempts)|delayBetweenAttempts|retryMode)",
        "jobs fetch and store with hutchbatch's own program",
        group="aws.batch",
    ),
    _needless(
        r"aws\.client\..*", "it concerns Nextflow's own connection to S3", group="aws.client"
    ),
    _needless(r"conda\..*", "environments are built on AWS Batch and kept in S3", group="conda"),
    _needless(r"docker\..*", "AWS Batch runs every job in a Docker container", group="docker"),
    _needless(
        r"(singularity|apptainer|podman|charliecloud|shifter|sarus)(\..*)?",
        "AWS Batch runs every job in a Docker container",
        group="*",
    ),
    _needless(r"executor\..*", "hutchbatch keeps to AWS's limits by itself", group="executor"),
    _needless(
        r"(tower|seqera|wave|fusion|manifest|plugins|nextflow|workflow|weblog|lineage|validation"
        r"|google|azure|k8s|session|prov|co2footprint|nf-test)(\..*)?",
        "it only concerns Nextflow or another cloud",
        group="*",
    ),
)


def counterpart(name: str) -> Counterpart | None:
    """Of a setting by its whole name, ``process.tag``; None where nothing is known of it."""
    rows: tuple[Counterpart, ...] = _RUN
    if name.startswith("process."):
        rows, name = _PROCESS, name.removeprefix("process.")
    return next((row for row in rows if re.fullmatch(row.form, name)), None)
