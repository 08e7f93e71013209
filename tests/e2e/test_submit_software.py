"""A submitted run with conda: its local rules, and what it gets of this machine's configuration and
secrets. The tests look at one run."""

import gzip
import json
import lzma
import re
import shutil

import conda_channel
import pytest
import warm_start
from workflows import Workflow

CHANNEL_TOKEN = "chan-nel-token-1"
#: What this machine has, in files and variables, and nobody else may see.
SECRETS = {
    "session": "ses-sion-token-2",
    "proxy": "pro-xy-password-3",
    "netrc": "net-rc-password-4",
    "index": "in-dex-password-5",
    "variable": "vari-able-token-6",
    "profile": "profile-secret-key-7",
}
SNAKEFILE = """
    import os

    localrules: fetch, wrapped, plain

    def late(wildcards):
        checkpoints.look.get()
        return "late.txt"

    rule all:
        input: "fetched.txt", "wrapped.txt", "job.txt", late

    rule fetch:
        input: "data/given.txt"
        output: "fetched.txt"
        log: "logs/fetch.log"
        conda: "envs/first.yaml"
        script: "scripts/fetch.py"

    rule wrapped:
        input: "fetched.txt"
        output: "wrapped.txt"
        wrapper: "greeting"

    rule job:
        input: "plain.txt"
        output: "job.txt"
        conda: "envs/first.yaml"
        shell: "cat {input} > {output}; tool >> {output}"

    rule plain:
        output: "plain.txt"
        shell: "test -n \\"$HUTCHBATCH_LEASE\\" && echo with Snakemake > {output}"

    checkpoint look:
        output: "look.txt"
        shell: "touch {output}"

    rule late:
        output: "late.txt"
        conda: "envs/late.yaml"
        shell: "tool > {output}"
"""


def env(channel, *dependencies):
    packages = "".join(f"  - {each}\n" for each in dependencies)
    return f"channels: [{channel}, nodefaults]\ndependencies:\n{packages}"


class Submitted:
    """A folder and a home with secrets in all the places where tools keep them."""

    def __init__(self, workflow, private, public):
        self.workflow = workflow
        own = workflow.environment()
        self.key = own["AWS_SECRET_ACCESS_KEY"]
        workflow.write("Snakefile", SNAKEFILE)
        workflow.write("data/given.txt", "given\n")
        workflow.write(
            "scripts/fetch.py",
            """
            import greetings, sys
            with open(snakemake.output[0], "w") as file, open(snakemake.log[0], "w") as log:
                print(open(snakemake.input[0]).read().strip(), sys.prefix, file=file)
                print("fetched", file=log)
            """,
        )
        workflow.write("envs/first.yaml", env("private", "tool =2", "python", "greetings"))
        workflow.write("envs/late.yaml", env("stand-ins", "tool =1.0"))
        workflow.write(
            "wrappers/greeting/environment.yaml", env("private", "tool =2", "python", "greetings")
        )
        workflow.write(
            "wrappers/greeting/wrapper.py",
            """
            from snakemake.shell import shell
            shell("greet > {snakemake.output}; cat {snakemake.input} >> {snakemake.output}")
            """,
        )
        password = SECRETS["proxy"]
        workflow.write(
            ".condarc",
            f"""
            channel_alias: {public.url}
            custom_channels:
              private: {private.url}/t/{CHANNEL_TOKEN}
            proxy_servers:
              ftp: http://jdoe:{password}@proxy.example.org:3128
            """,
        )
        workflow.write(
            ".netrc", f"machine pypi.example.org login jdoe password {SECRETS['netrc']}\n"
        )
        workflow.write(
            ".aws/credentials",
            f"""
            [lab]
            aws_access_key_id = {own["AWS_ACCESS_KEY_ID"]}
            aws_secret_access_key = {self.key}
            [other]
            aws_access_key_id = AKIAOTHEROTHEROTHER1
            aws_secret_access_key = {SECRETS["profile"]}
            """,
        )
        self.changes = {
            "AWS_ACCESS_KEY_ID": None,
            "AWS_SECRET_ACCESS_KEY": None,
            "AWS_PROFILE": "lab",
            "AWS_SHARED_CREDENTIALS_FILE": str(workflow.folder / ".aws/credentials"),
            "HTTPS_PROXY": f"http://jdoe:{password}@proxy.example.org:3128",
            "NO_PROXY": "127.0.0.1",
            "PIP_INDEX_URL": f"https://jdoe:{SECRETS['index']}@pypi.example.org/simple",
            "GITHUB_TOKEN": SECRETS["variable"],
            "SNAKEMAKE_STORAGE_RUCIO_PASSWORD": SECRETS["session"],
        }
        self.given = (
            *("--default-storage-provider", "s3", "--default-storage-prefix", workflow.prefix),
            *("--seconds-between-status-checks", "1", "--software-deployment-method", "conda"),
            *("--wrapper-prefix", f"file://{workflow.folder}/wrappers/"),
        )

    def run(self, *arguments, code=0):
        done = warm_start.hutchbatch(
            *arguments,
            *("--", *self.given),
            cwd=self.workflow.folder,
            env=self.workflow.environment(**self.changes),
            timeout=400,
        )
        print(done.stdout, done.stderr)
        assert done.returncode == code, done.stderr
        return done


@pytest.fixture(scope="module")
def submitted(cloud, tmp_path_factory):
    folder = tmp_path_factory.mktemp("channels")
    channel = conda_channel.stand_ins(folder / "stand-ins")
    shutil.copytree(channel.folder, folder / "behind/private")
    workflow = Workflow(cloud, tmp_path_factory.mktemp("submit-software"), "submit-software")
    with (
        conda_channel.ChannelServer(folder / "behind", token=CHANNEL_TOKEN) as private,
        conda_channel.ChannelServer(folder) as public,
    ):
        run = Submitted(workflow, private, public)
        run.refused = run.run("submit", code=1)
        run.sent_before = workflow.submissions()
        run.run("envs", "--build")
        run.said = run.run("submit", "--wait")
        run.jobs = workflow.client("batch").describe_jobs(
            jobs=[re.search(r"Snakemake is job (\S+)", run.said.stdout)[1]]
        )["jobs"]
        yield run


def test_an_environment_behind_a_login_must_be_built_before_the_run_is_submitted(submitted):
    # One environment, by either of its names.
    assert re.search(r"(envs/first.yaml|greeting) needs a login to", submitted.refused.stderr)
    assert "hutchbatch envs --build" in submitted.refused.stderr
    assert submitted.sent_before == 0


def test_local_rules_with_conda_are_jobs_of_their_own_and_others_run_with_snakemake(submitted):
    workflow = submitted.workflow
    assert "Local rules fetch, wrapped: conda:, scripts" in submitted.said.stderr
    word, prefix = workflow.text("fetched.txt").split()
    assert word == "given"
    assert "hutchbatch" in prefix
    assert workflow.text("logs/fetch.log") == "fetched\n"
    assert workflow.text("wrapped.txt").startswith("greetings from")
    assert workflow.text("wrapped.txt").endswith(workflow.text("fetched.txt"))
    first, second = workflow.text("job.txt").splitlines()
    assert first == "with Snakemake"
    assert second.startswith("tool 2.0")


def test_channels_are_those_of_this_machine_also_for_what_only_snakemake_there_learns_of(submitted):
    assert submitted.workflow.text("late.txt").startswith("tool 1.0")


def test_later_runs_know_its_local_rules_although_these_are_local_again(submitted):
    found = json.loads(submitted.run("plan", "--json").stdout)
    assert found["rules"] == []


def test_no_secret_of_this_machine_is_stored_or_sent(submitted):
    texts = {"AWS Batch": json.dumps(submitted.jobs, default=str).encode()}
    for path in submitted.workflow.stored.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if content.startswith(b"\xfd7zXZ"):
                content = lzma.decompress(content)
            elif content.startswith(b"\x1f\x8b"):
                content = gzip.decompress(content)
            texts[str(path)] = content
    assert any(name.endswith("request.json") for name in texts)
    assert sum(b"channel_alias" in content for content in texts.values())
    secrets = {**SECRETS, "key": submitted.key, "channel": CHANNEL_TOKEN}
    found = [
        (what, name)
        for name, content in texts.items()
        for what, secret in secrets.items()
        if secret.encode() in content
    ]
    assert found == []
