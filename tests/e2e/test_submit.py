"""``hutchbatch submit``: Snakemake itself as a job, seen from here and from elsewhere. The tests
look at one run."""

import json
import os
import re
from types import SimpleNamespace

import pytest
import test_modules_of_github
import warm_start
from workflows import Workflow

SNAKEFILE = """
    configfile: "config.yaml"

    SAMPLES = sorted(glob_wildcards("data/{s}.txt").s)

    module other:
        snakefile: github("lab/other", path="workflow/Snakefile", tag="v1")
    use rule * from other as other_*

    rule all:
        default_target: True
        input: "out/all.txt", "out/other.txt"

    rule one:
        input: "data/{s}.txt"
        output: "out/{s}.txt"
        params: word=config["word"]
        shell: "cat {input} > {output}; echo {params.word} >> {output}; echo said {wildcards.s}"

    rule gather:
        input: expand("out/{s}.txt", s=SAMPLES)
        output: "out/all.txt"
        localrule: True
        run:
            assert len(SAMPLES) == 2
            shell("cat {input} > {output}")
"""


#: There is no git where Snakemake runs, and its home folder does not lead here.
OTHER = {
    "Snakefile": 'rule made:\n    output: "out/other.txt"\n    script: "scripts/made.py"\n',
    "scripts/made.py": "import words\nopen(snakemake.output[0], 'w').write(words.WORD)\n",
    "scripts/words.py": "WORD = 'beside'\n",
}
PROFILE = """
    executor: hutchbatch
    default-storage-provider: s3
    default-storage-prefix: {prefix}
    seconds-between-status-checks: 1
"""


class Submitted:
    """Snakemake works in a folder of its own, and has a profile that lies elsewhere."""

    def __init__(self, workflow, profile, elsewhere):
        self.workflow, self.elsewhere = workflow, elsewhere
        self.given = ("--directory", "run")
        (profile / "config.yaml").write_text(PROFILE.format(prefix=workflow.prefix))
        self.profile = os.path.relpath(profile, workflow.folder)
        self.work = f"{workflow.prefix}/.hutchbatch"

    def run(self, *arguments, folder=None, code=0, **changes):
        done = warm_start.hutchbatch(
            *arguments,
            cwd=folder or self.workflow.folder,
            env=self.workflow.environment(**{"SNAKEMAKE_PROFILE": self.profile, **changes}),
        )
        print(done.stdout, done.stderr)
        assert done.returncode == code, done.stderr
        return SimpleNamespace(out=done.stdout, err=done.stderr)

    def submit(self, *arguments, code=0, **changes):
        return self.run("submit", *arguments, "--", *self.given, code=code, **changes)

    def from_elsewhere(self, *arguments, code=0):
        place = ("--work-prefix", self.work)
        nothing = {"folder": self.elsewhere, "SNAKEMAKE_PROFILE": None}
        return self.run(*arguments, *place, code=code, **nothing)


@pytest.fixture(scope="module")
def run(cloud, tmp_path_factory):
    workflow = Workflow(cloud, tmp_path_factory.mktemp("submit"), "submit")
    workflow.write("Snakefile", SNAKEFILE)
    workflow.write("run/config.yaml", "word: hello\n")
    for name in "ab":
        workflow.write(f"run/data/{name}.txt", f"{name}\n")
    repositories = tmp_path_factory.mktemp("repositories")
    for name, text in OTHER.items():
        workflow.write(repositories / "lab" / "other" / "workflow" / name, text)
    test_modules_of_github.commit(repositories, "lab/other", "v1", workflow.folder)
    submitted = Submitted(workflow, *map(tmp_path_factory.mktemp, ("profile", "elsewhere")))
    done = submitted.submit("--wait", SECRET_TOKEN="not-for-anybody")
    submitted.id = re.search(r"Run (\S+) is submitted", done.out)[1]
    submitted.said = done
    return submitted


def test_a_run_is_made_without_this_machine(run):
    assert run.workflow.text("out/all.txt") == "a\nhello\nb\nhello\n"
    assert run.workflow.text("out/other.txt") == "beside"
    assert "has succeeded" in run.said.err
    assert not (run.workflow.folder / "run" / "out").exists()


def test_nothing_secret_of_this_machine_is_stored(run):
    stored = run.workflow.stored / ".hutchbatch" / "detached" / run.id
    text = (stored / "request.json").read_text() + (stored / "task.json").read_text()
    key = run.workflow.environment()["AWS_SECRET_ACCESS_KEY"]
    assert key not in text
    assert "not-for-anybody" not in text


def test_others_see_it_from_any_machine(run):
    seen = run.from_elsewhere("status", run.id)
    assert "has succeeded" in seen.out
    assert re.search(r"one +0 +0 +0 +0 +2", seen.out)
    listed = json.loads(run.from_elsewhere("runs", "--json").out)
    assert [(each["run_id"], each["outcome"]) for each in listed] == [(run.id, "succeeded")]
    assert "said a" in run.from_elsewhere("logs", "one", "s=a", "--run", run.id).out
    assert "5 of 5 steps" in run.from_elsewhere("logs", "--controller", run.id).out
    again = ("rerun", "one", "s=a", "--run", run.id, "--engine", "none")
    assert "said a" in run.from_elsewhere(*again).out
    assert "Finished jobid" in run.from_elsewhere("attach", run.id[:-2]).out
    trace = run.from_elsewhere("report", run.id, "--trace", "-").out
    assert trace.count("\tone s=") == 2


def test_in_its_folder_it_needs_no_name(run):
    assert run.id in run.run("status").out
    assert "had already ended" in run.run("cancel", "--yes").out


def test_later_runs_know_what_it_has_done(run):
    def jobs(*config):
        found = run.run("plan", "--json", "--", *run.given, *config).out
        return {rule["rule"]: rule["jobs"] for rule in json.loads(found)["rules"]}

    assert not jobs()
    assert jobs("--config", "word=other") == {"one": 2, "gather": 1, "all": 1}


def test_no_run_begins_beside_one_that_makes_the_same(run):
    stored = run.workflow.stored / ".hutchbatch" / "detached"
    other = "30000101-000000-abcdef"
    (stored / other).mkdir()
    for name in ("request", "lease"):
        document = json.loads((stored / run.id / f"{name}.json").read_text())
        document.update({"id": other, "seconds": 90.0} if name == "lease" else {"id": other})
        (stored / other / f"{name}.json").write_text(json.dumps(document))
    refused = run.workflow.fail("--forceall", *run.given)
    assert f"hutchbatch attach {other}" in refused
    (stored / other / "request.json").unlink()
    run.run("plan", "--", *run.given)


def test_what_cannot_be_submitted_is_said_before_anything_is_sent(run):
    before = run.workflow.submissions()
    queue = ("submit", "--controller-queue", "nowhere", "--", *run.given, "--forceall")
    assert "There is no Batch queue 'nowhere'" in run.run(*queue, code=1).err
    key = run.run("submit", "--", *run.given, "--storage-s3-secret-key", "abcdefgh", code=2)
    assert "credential" in key.err
    assert "abcdefgh" not in key.err
    token = run.run("submit", "--", *run.given, "--config", "token=abcdefgh", code=2)
    assert "secret" in token.err
    run.workflow.write("secret.yaml", "token: abcdefgh-ijkl\n")
    config = run.run("submit", "--", *run.given, "-F", "--configfile", "secret.yaml", code=1)
    assert "secret.yaml holds what looks like a secret" in config.err
    run.workflow.write("proxy.yaml", "proxies: [http://jdoe:abcdefgh@proxy.example.org]\n")
    form = run.run("submit", "--", *run.given, "-F", "--configfile", "proxy.yaml", code=1)
    assert "proxy.yaml holds what looks like a secret" in form.err
    hook = {"SNAKEMAKE_HUTCHBATCH_NOTIFY": "https://hooks.slack.com/services/T1/B2/abcdefgh"}
    variable = run.run("submit", "--", *run.given, "-F", code=1, **hook)
    assert "SNAKEMAKE_HUTCHBATCH_NOTIFY holds what looks like a secret" in variable.err
    assert "abcdefgh" not in variable.err
    assert run.workflow.submissions() == before
