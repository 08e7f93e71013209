"""One job's plan, as unit tests vary it."""

from snakemake_executor_plugin_hutchbatch.planning.plan import JobPlan
from snakemake_executor_plugin_hutchbatch.queues.choice import Ladder
from snakemake_executor_plugin_hutchbatch.settings.values import Mount

ROLE = "arn:aws:iam::123456789012:role/fh-pi-doe-j-batchtask"
EXECUTION_ROLE = "arn:aws:iam::123456789012:role/ecsTaskExecutionRole"
LOGIN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:quay-AbCdEf"
SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:x"
PLAN = JobPlan(
    label="align sample=A",
    rule="align",
    job_name="jdoe-align-A-0123456789",
    mode="direct",
    why_not_direct=None,
    direct_only=False,
    image="quay.io/biocontainers/samtools:1.21",
    vcpus=2,
    memory=954,
    gpus=1,
    timeout=5400,
    queue="mixed",
    ladder=Ladder(("mixed",), "the general queue"),
    job_role=ROLE,
    scratch=Mount("/docker_scratch", "/tmp"),
    aws_cli_path="/home/ec2-user/miniconda",
    log_group="/aws/batch/job",
    attempt=1,
    tags={"hutchbatch-rule": "align"},
    environment={"LAB": "doe"},
    secrets={"TOKEN": SECRET},
    volumes=(Mount("/ref", "/ref", True),),
    shm_mb=1000,
    scheduling_priority=3,
    share_identifier="doelab",
    execution_role=EXECUTION_ROLE,
    repository_credentials=LOGIN,
)
