"""The table of settings: every name, parser, default and help text.

``options.ExecutorSettings``, the per-rule resources and the tables of the documentation follow it.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import parsers
from .setting import Need, Setting
from .values import Value

#: Where the Hutch's queues are: the region if neither the user nor AWS's configuration names one.
FALLBACK_REGION = "us-west-2"
#: Where control files lie unless the user names a place: below the default storage prefix.
CONTROL_FOLDER = ".hutchbatch/"

_ROWS = (
    Setting(
        "site",
        parsers.parse_site,
        "NAME|FILE",
        "Whose AWS account it is: hutch (Fred Hutch's shared account: five queues, scratch "
        "/docker_scratch), hutch-lab (a lab's own account: one queue, scratch /var/lib/docker), or "
        "a file that describes another (YAML, see the documentation). It gives queues, scratch, "
        "AWS command line, job role, region and work prefix where you set none. "
        "Default: what the account shows, else hutch.",
        need=Need.NEEDED,
    ),
    Setting(
        "region",
        parsers.parse_region,
        "REGION",
        "AWS region of the Batch queues. Default: that of the site you named with "
        "--hutchbatch-site, else the region of your AWS configuration "
        f"(AWS_REGION, ~/.aws/config), else {FALLBACK_REGION}, where the Hutch's queues are.",
        need=Need.USEFUL,
    ),
    Setting(
        "queue",
        parsers.parse_queue,
        "QUEUE",
        "Batch queue for jobs: auto, or a name or ARN, or several names with commas between: a job "
        "that loses its machines or waits too long moves to the next one. "
        "Default {default}: jobs that ask for GPUs go to the GPU queue, others to a spot queue by "
        "the policy, or to mixed or default where there is no spot queue. "
        "A rule can have its own: resources: hutchbatch_queue='cpu-spot-30,cpu-spot-50'.",
        default="auto",
        per_rule=True,
        # Those of snakemake-executor-plugin-aws-batch, so that its Snakefiles run unchanged.
        aliases=("batch_queue", "aws_batch_job_queue"),
        need=Need.NEEDED,
    ),
    Setting(
        "policy",
        parsers.parse_policy,
        "POLICY",
        "Which spot queue a job starts on with queue auto. availability: the one with the highest "
        "bid, there around the clock. capacity: the one with the lowest bid and the most vCPUs, "
        "best at night and on weekends, moving up when it waits. balanced: between the two. "
        "Default {default}.",
        default="availability",
        per_rule=True,
        need=Need.USEFUL,
    ),
    Setting(
        "queue_catalog",
        parsers.parse_queue_catalog,
        "FILE",
        "File with your account's queues (YAML, see the documentation), for what AWS itself does "
        "not report. Default: the site's.",
    ),
    Setting(
        "spot_attempts",
        parsers.parse_spot_attempts,
        "NUMBER",
        "How often a job may be started on one queue when AWS takes its spot machine back, 1 to "
        "10; then it moves to the next queue. Snakemake's retries are not touched. "
        "Default {default}.",
        default="5",
        per_rule=True,
        need=Need.USEFUL,
    ),
    Setting(
        "host_attempts",
        parsers.parse_host_attempts,
        "NUMBER",
        "How often a job may be started when its machine fails to start or keep the container, 1 "
        "to 10. Snakemake's retries are not touched. Default {default}.",
        default="3",
        per_rule=True,
    ),
    Setting(
        "starve_minutes",
        parsers.parse_starve_minutes,
        "MINUTES",
        "Minutes that a job may wait in a queue that is not moving before it goes to the next one, "
        "0 for never. Default {default}.",
        default="20",
        per_rule=True,
        need=Need.USEFUL,
    ),
    Setting(
        "oom_memory_factor",
        parsers.parse_oom_memory_factor,
        "FACTOR",
        "A job killed for lack of memory is started again with its memory multiplied by this (for "
        "example 1.5), up to the largest machine of its queue; 0 for never. Default {default}.",
        default="0",
        per_rule=True,
        need=Need.USEFUL,
    ),
    Setting(
        "retry_exit_codes",
        parsers.parse_retry_exit_codes,
        "CODES",
        "Exit codes with which a failed job is worth another try, such as 137,140,100-110: retries "
        "says how often, this says for which codes; with any other code a job fails at once. "
        "Machines that were lost do not count as failures of the job. Default {default}.",
        default="all",
        per_rule=True,
        need=Need.USEFUL,
    ),
    Setting(
        "learn",
        parsers.parse_flag,
        "",
        "Jobs start at the memory that earlier jobs of their rule needed, never above what the "
        "rule asks for; one that needs more is started again with all of it. Only for rules with "
        "--hutchbatch-oom-memory-factor. Default: off.",
        flag=True,
        need=Need.USEFUL,
    ),
    Setting(
        "max_hours",
        parsers.parse_max_hours,
        "HOURS",
        "After so many hours the run submits nothing more: jobs that have not started are taken "
        "back, those that run finish, and the run ends as failed. Default: no limit.",
        need=Need.USEFUL,
    ),
    Setting(
        "max_cost",
        parsers.parse_max_cost,
        "DOLLARS",
        "The same once the run's jobs may have cost so many US dollars, by the prices that "
        "hutchbatch knows. Default: no limit.",
        need=Need.USEFUL,
    ),
    Setting(
        "notify",
        parsers.parse_notify,
        "URL|COMMAND",
        "Where to send a note when the run ends: the https:// address of a webhook (Slack's and "
        "others), env:NAME for a variable that holds it, or a command, which reads the note from "
        "its input. Default: none.",
        need=Need.USEFUL,
    ),
    Setting(
        "tail_lines",
        parsers.parse_tail_lines,
        "NUMBER",
        "Lines of a failed job's output to show, 0 to 1000. Default {default}.",
        default="30",
    ),
    Setting(
        "array_size",
        parsers.parse_array_size,
        "NUMBER",
        "How many identical jobs are submitted to AWS Batch together, as one array job, 1 to "
        "10000; 1 submits each separately. Default {default}.",
        # Larger arrays save nothing: their SubmitJob is one call in a thousand as it is, and their
        # children are listed by pages of a thousand
        # (https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html).
        default="1000",
    ),
    Setting(
        "report",
        parsers.parse_report,
        "FILE",
        "Reports to write at the end of the run: report.html, a picture of everything that ran "
        "(needs the extra report), or trace.tsv, a table of every job and attempt. The command "
        "hutchbatch report writes them at any time. Default: none.",
        default=(),
        listed=True,
        need=Need.USEFUL,
    ),
    Setting(
        "job_role",
        parsers.parse_job_role,
        "ARN",
        "ARN of an IAM role that jobs use to read and write your bucket, for example "
        "arn:aws:iam::123456789012:role/fh-pi-lastname-f-batchtask. "
        "Default: none; jobs use the role of Batch's machines.",
        per_rule=True,
        aliases=("aws_batch_job_role",),
        need=Need.NEEDED,
    ),
    Setting(
        "execution_role",
        parsers.parse_execution_role,
        "ARN",
        "ARN of the IAM role with which AWS prepares a container: reads --hutchbatch-secrets and "
        "the login of a private registry, writes the log and pulls images from ECR. "
        "Default: none; then logs and ECR are used with the role of Batch's machines.",
        per_rule=True,
    ),
    Setting(
        "repository_credentials",
        parsers.parse_repository_credentials,
        "ARN",
        "ARN of the secret (AWS Secrets Manager) with the login of the private registry that "
        "images come from; needs --hutchbatch-execution-role. Images in ECR need none. "
        "Default: none.",
        per_rule=True,
    ),
    Setting(
        "user",
        parsers.parse_user,
        "HUTCHNET_ID",
        "Your HutchNet ID, with which the names of your jobs begin. Default: your login name.",
        need=Need.NEEDED,
    ),
    Setting(
        "image",
        parsers.parse_image,
        "IMAGE",
        "Docker image of the job. Default: the rule's container:, else --container-image, else a "
        "small public Python image.",
        per_rule=True,
        is_option=False,  # Snakemake's own is --container-image
        aliases=("aws_batch_container_image",),
        need=Need.USEFUL,
    ),
    Setting(
        "container_user",
        parsers.parse_container_user,
        "USER",
        "Who jobs run as in their containers. root, since the scratch disk of Batch's machines "
        "commonly belongs to root. image: the user that the image names; or a user's name or "
        "number, for programs that refuse to run as root. Whoever it is must be able to write to "
        "the scratch disk. Default {default}.",
        default="root",
        per_rule=True,
    ),
    Setting(
        "mode",
        parsers.parse_mode,
        "auto|direct|snakemake",
        "How jobs run in their container. direct: the rule's command or script alone, in any image "
        "that has its interpreter. snakemake: under Snakemake, which comes along where the image "
        "has none (needed for run:). Default {default}: direct for every rule that can, else "
        "snakemake.",
        default="auto",
        per_rule=True,
        need=Need.USEFUL,
    ),
    Setting(
        "scratch",
        parsers.parse_scratch,
        "HOST:CONTAINER",
        "The scratch disk of Batch's machines and where containers see it, as HOST:CONTAINER; jobs "
        "work there. Default {default}; another site may have its own.",
        default="/docker_scratch:/tmp",
        per_rule=True,
    ),
    Setting(
        "aws_cli_path",
        parsers.parse_aws_cli_path,
        "FOLDER",
        "Folder of the AWS command line on Batch's machines, mounted read-only in containers, so "
        "that images need no Python of their own. 'none' if there is none; images then need a "
        "python3, 3.8 or newer. Default {default}; another site may have its own.",
        default="/home/ec2-user/miniconda",
        per_rule=True,
    ),
    Setting(
        "work_prefix",
        parsers.parse_work_prefix,
        "S3_URL",
        "Location in S3 for small control files (task descriptions, statuses, a copy of the "
        "workflow's code), preferably one whose contents expire automatically, for example "
        "s3://fh-pi-lastname-f-eco/delete10/. "
        "Default: that of the site you named with --hutchbatch-site, else "
        f"{CONTROL_FOLDER} below the default storage prefix.",
        need=Need.NEEDED,
    ),
    Setting(
        "upload",
        parsers.parse_upload,
        "auto|never",
        "What to do with inputs that no rule creates and that exist on your machine but not in S3. "
        "auto: upload them below the default storage prefix before the first job that needs them, "
        "and again when they have changed. never: use only what is in S3. "
        "Default {default}.",
        default="auto",
        need=Need.USEFUL,
    ),
    Setting(
        "upload_limit",
        parsers.parse_upload_limit,
        "SIZE",
        "A run that would upload more than this stops and says so, for example 500GB or 2TB; none "
        "for no limit. Default {default}.",
        default="100GB",
    ),
    Setting(
        "s3_acl",
        parsers.parse_s3_acl,
        "ACL",
        "Access list of everything that is stored, for a bucket of another account or lab: "
        "bucket-owner-full-control, bucket-owner-read or private. Default: the bucket's.",
    ),
    Setting(
        "s3_sse",
        parsers.parse_s3_sse,
        "AES256|aws:kms",
        "Encryption of everything that is stored, for a bucket that refuses what does not ask for "
        "it. Default: the bucket's.",
    ),
    Setting(
        "s3_sse_kms_key_id",
        parsers.parse_s3_sse_kms_key_id,
        "KEY",
        "Id, ARN or alias of the KMS key that encrypts everything that is stored; jobs need "
        "kms:GenerateDataKey and kms:Decrypt for it. Default: the bucket's.",
    ),
    Setting(
        "s3_storage_class",
        parsers.parse_s3_storage_class,
        "CLASS",
        "Storage class of the workflow's files that stay, uploaded inputs included: STANDARD, "
        "STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR. Files of temp() and control "
        "files stay STANDARD, because the others charge for a month or more. Default: STANDARD.",
    ),
    Setting(
        "s3_request_payer",
        parsers.parse_s3_request_payer,
        "requester",
        "requester: pay for what is read from buckets whose owners make requesters pay. "
        "Default: such buckets cannot be read.",
    ),
    Setting(
        "conda_update",
        parsers.parse_flag,
        "",
        "Solve the run's conda environments again, with the packages that their channels have "
        "today. By default an env file keeps the packages that it got when it was first used "
        "below the work prefix.",
        flag=True,
        need=Need.USEFUL,
    ),
    Setting(
        "log_group",
        parsers.parse_log_group,
        "NAME",
        "CloudWatch log group of the jobs' output. Default {default}.",
        # AWS Batch's own (https://docs.aws.amazon.com/batch/latest/userguide/using_cloudwatch_logs.html)
        default="/aws/batch/job",
        per_rule=True,
    ),
    Setting(
        "tags",
        parsers.parse_tags,
        "KEY=VALUE",
        "Tags for all jobs, for example project=tcr lab=doe; they appear in AWS's bills. "
        "Default: none besides hutchbatch's own (run, rule, user).",
        default=(),
        per_rule=True,
        listed=True,
        need=Need.USEFUL,
    ),
    Setting(
        "scheduling_priority",
        parsers.parse_scheduling_priority,
        "NUMBER",
        "Priority of jobs within a queue that has a fair-share policy, 0 to 9999, higher first. "
        "Default: the queue's own order.",
        per_rule=True,
    ),
    Setting(
        "share_identifier",
        parsers.parse_share_identifier,
        "NAME",
        "Share identifier for a queue that has a fair-share policy. Default: none.",
        per_rule=True,
    ),
    Setting(
        "shm_mb",
        parsers.parse_shm_mb,
        "MB",
        "Size of /dev/shm in the container, in MB; some tools (PyTorch's loaders, Chrome) need "
        "more than Docker's 64. Default: Docker's.",
        per_rule=True,
        aliases=("shared_memory_size_mb",),
        need=Need.USEFUL,
    ),
    Setting(
        "execute_command",
        parsers.parse_execute_command,
        "yes|no",
        "Whether running jobs can be entered with 'hutchbatch shell' (Amazon ECS Exec). AWS wants "
        "a job role for that, with permissions that most do not have. Default {default}.",
        default="no",
        per_rule=True,
    ),
    Setting(
        "volumes",
        parsers.parse_volumes,
        "HOST:CONTAINER",
        "More folders of Batch's machines to mount in containers, as HOST:CONTAINER or "
        "HOST:CONTAINER:ro. Default: none.",
        default=(),
        per_rule=True,
        listed=True,
    ),
    Setting(
        "shared",
        parsers.parse_shared_prefixes,
        "S3_URL",
        "Places in S3 whose files jobs only read, such as reference genomes: "
        "s3://bucket/reference/. What jobs have below them as inputs is fetched once a machine, "
        "however many jobs need it there. "
        "For single inputs of a rule, by their names: resources: hutchbatch_shared='genome index', "
        "or 'none' for a rule that shares nothing. Default: none.",
        default=(),
        per_rule=True,
        listed=True,
        parse_resource=parsers.parse_shared_names,
        need=Need.USEFUL,
    ),
    Setting(
        "secrets",
        parsers.parse_secrets,
        "NAME=ARN",
        "Secrets for jobs as environment variables, as NAME=ARN of AWS Secrets Manager or of a "
        "Systems Manager parameter; the value itself is never sent by hutchbatch. Default: none.",
        default=(),
        per_rule=True,
        listed=True,
        need=Need.USEFUL,
    ),
)

#: By name, what most runs need first.
SETTINGS: Mapping[str, Setting] = {row.name: row for row in sorted(_ROWS, key=lambda row: row.need)}


def default_of(name: str) -> Value:
    """The parsed default of a setting; None where it has none."""
    return SETTINGS[name].default_value
