"""README and docs say what the code does: names, defaults, paths and snippets."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pytest
import yaml
from packaging.requirements import Requirement

from snakemake_executor_plugin_hutchbatch.cli import main
from snakemake_executor_plugin_hutchbatch.cli.commands import local
from snakemake_executor_plugin_hutchbatch.doctor import permissions
from snakemake_executor_plugin_hutchbatch.local.batch.fault_kinds import KINDS
from snakemake_executor_plugin_hutchbatch.local.hosts import choice
from snakemake_executor_plugin_hutchbatch.planning import plan, requirements, work
from snakemake_executor_plugin_hutchbatch.planning.code_files import CODE_FOLDERS
from snakemake_executor_plugin_hutchbatch.queues import account, catalog, instances
from snakemake_executor_plugin_hutchbatch.queues import choice as queue_choice
from snakemake_executor_plugin_hutchbatch.queues.data_file import DataFileError
from snakemake_executor_plugin_hutchbatch.reporting import attempt_table, resource_advice
from snakemake_executor_plugin_hutchbatch.settings import options as settings
from snakemake_executor_plugin_hutchbatch.settings.values import POLICIES
from snakemake_executor_plugin_hutchbatch.settlement import (
    failure_cause,
    failure_report,
    retry_policy,
    starvation,
)
from snakemake_executor_plugin_hutchbatch.settlement.failed_logs import Copy
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, Failure
from snakemake_executor_plugin_hutchbatch.settlement.log_tails import OUTPUT, Tail
from snakemake_executor_plugin_hutchbatch.settlement.problem_context import ProblemContext
from snakemake_executor_plugin_hutchbatch.settlement.sentences import sentence
from snakemake_executor_plugin_hutchbatch.sites import site
from snakemake_executor_plugin_hutchbatch.supervisor import (
    checksum,
    command_start,
    download,
    problems,
    snakemake_python,
    taskspec,
)
from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure as Fault
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Facts, Problem
from snakemake_executor_plugin_hutchbatch.supervisor.snakemake_python import Python
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import SnakemakeNeeds

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
FIRST_PROJECT = DOCS / "first-project.md"
SETTINGS = DOCS / "settings.md"
QUEUES = DOCS / "queues.md"
TROUBLESHOOTING = DOCS / "troubleshooting.md"
ADMINISTRATORS = DOCS / "administrators.md"
LOCAL_CLOUD = DOCS / "local-cloud.md"
FEATURES_PAGE = DOCS / "snakemake-features.md"
COMMANDS = DOCS / "commands.md"
PAGES = [
    README,
    *sorted(DOCS.rglob("*.md")),
    *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "example_workflow/README.md")),
]
EXAMPLE = [
    path
    for pattern in ("profiles/*/*.yaml", "config/*.yaml", "workflow/**/*.smk", "workflow/Snakefile")
    for path in (ROOT / "example_workflow").glob(pattern)
]
OPTIONS = {settings.option_name(f.name) for f in fields(settings.ExecutorSettings)}
RESOURCES = {f"hutchbatch_{name}" for name in settings.PER_JOB}


def blocks(page: Path, language: str, title: str | None = None) -> list[str]:
    """The fenced blocks of a language, without the indentation that lists give them.

    ``title``: only those of this section.
    """
    text = section(page, title) if title else page.read_text()
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.M | re.S)
    return [re.sub(rf"^{indent}", "", text, flags=re.M) for indent, text in found]


def section(page: Path, title: str) -> str:
    """The text below a heading, to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", page.read_text(), re.M | re.S)
    assert found, f"{page.name} has no section {title}"
    return found[1]


def flat(text: str) -> str:
    """The text with its lines joined, so that line breaks may fall anywhere."""
    return " ".join(text.split())


def rows(text: str) -> list[list[str]]:
    """The cells of a table's rows, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


# Tables


def test_the_resources_table_has_the_figures_of_the_code():
    table = section(SETTINGS, "Resources")
    assert f"{requirements.DEFAULT_MIB_PER_VCPU} MiB for each vCPU" in table
    assert f"At least {requirements.LEAST_MIB['direct']} MiB" in table
    assert f"in Snakemake mode {requirements.LEAST_MIB['snakemake']} MiB" in table


def test_the_policies_have_the_ladders_of_the_code():
    table = rows(section(QUEUES, "Queues"))
    hutch = account.from_catalog(site.shipped()[0].queues)
    ladders = {
        policy: list(
            queue_choice.automatic(hutch, policy, gpus=0, preemptible=True, where="").rungs
        )
        for policy in POLICIES
    }
    assert {code(policy)[0]: code(ladder) for policy, ladder, _ in table} == ladders


def test_the_figures_about_waiting_are_those_of_the_code():
    moving = flat(section(QUEUES, "When a job changes queue"))
    budgets = plan.Budgets()
    numbers = {3: "three", 5: "five"}
    assert f"{numbers[budgets.spot_attempts]} times in all" in moving
    assert f"waited {budgets.starve_minutes:.0f} minutes" in moving
    assert retry_policy.REMEMBERED == 30 * 60
    assert "For half an hour" in moving
    assert starvation.PATIENT_SECONDS == 4 * 60
    assert "After four" in section(TROUBLESHOOTING, "Why does my job not start?")
    kept = f"{instances.KEPT_FRACTION * 100:.0f} % and {instances.KEPT_MIB} MiB"
    assert kept in section(QUEUES, "Requests that no machine can hold")


def test_the_sites_are_those_of_the_code():
    names = {"scratch": "scratch", "job role": "job_role", "work prefix": "work_prefix"}
    names |= {"AWS command line": "aws_cli_path", "region": "region"}
    table = {head: cells for head, *cells in rows(section(QUEUES, "Sites"))}
    for place, each in enumerate(site.shipped()):
        assert re.findall(r"`([^`]+)`", table["queues"][place]) == list(each.queues)
        for head, name in names.items():
            shown = re.findall(r"`([^`]+)`", table[head][place])
            assert shown == [text for text in [each.settings.get(name)] if text]
    fields_ = {*site.SETTINGS_OF_SITES, "about", "queues"}
    assert fields_ <= set(re.findall(r"\w+", "".join(section(QUEUES, "Sites"))))


def test_the_fields_of_a_catalogue_are_those_of_the_code():
    table = rows(section(QUEUES, "Queues of another site"))
    named = [code(row[0])[0] for row in table]
    assert named == [f.name for f in fields(catalog.Entry) if f.name != "name"]


def test_the_faults_of_a_catalogue_are_reported_as_the_docs_say():
    reported = blocks(QUEUES, "text", "Queues of another site")[0].strip()
    text = "queues:\n  lab-spot:\n    type: spot\n    max_vcpu: 200\n    bid_percentage: 60 %\n"
    with pytest.raises(DataFileError) as error:
        catalog.parse(text, "site.yaml")
    assert reported == f"hutchbatch: {error.value}"


def test_every_cause_of_a_failure_has_its_row_with_its_budget():
    table = {code(row[0])[0]: row[2] for row in rows(section(TROUBLESHOOTING, "When a job fails"))}
    assert sorted(table) == sorted(f"[{c.value}]" for c in Cause)
    budgets = {
        Cause.SPOT: "spot_attempts",
        Cause.HOST: "host_attempts",
        Cause.OUT_OF_MEMORY: "oom_memory_factor",
    }
    for cause in Cause:
        cell = table[f"[{cause.value}]"]
        step = retry_policy.after(
            Failure(cause, "it failed"),
            a_plan(budgets=plan.Budgets(oom_memory_factor=2.0)),
            work.History(),
            {},
        )
        assert isinstance(step, retry_policy.Resubmit) == (
            cause in budgets or cause is Cause.CAPACITY
        ), cause
        if cause is Cause.CAPACITY:  # the ladder's length is its budget
            assert cell.startswith("Once on each further queue")
            continue
        if cause not in budgets:
            assert cell == "never"
            continue
        name = budgets[cause]
        assert settings.option_name(name) in cell
        default = getattr(plan.Budgets(), name)
        assert cell.startswith(f"{default} starts" if default else "Not unless"), cause


def a_plan(**known):
    """A plan of which only what is given matters."""
    unset = {f.name: None for f in fields(plan.JobPlan)}
    ladder = queue_choice.Ladder(("cpu-spot-40", "cpu-spot-50"), "set by you")
    given = {"queue": ladder.rungs[0], "ladder": ladder, "vcpus": 1, "memory": 1000, "gpus": 0}
    given["asked_memory"] = 0
    return plan.JobPlan(**{**unset, **given, **known})


def test_the_report_of_a_failed_job_looks_as_the_docs_say():
    shown, alike = (text.strip() for text in blocks(TROUBLESHOOTING, "text", "When a job fails"))
    first, *_ = shown.splitlines()
    label, sentence, cause = re.fullmatch(r"(.*) failed: (.*) \[(\w+)\]", first).groups()
    job_id = re.search(r"hutchbatch logs (\S+)", shown)[1]
    queue = re.search(r"queue: (\S+)", shown)[1]
    image = re.search(r"image: (\S+)", shown)[1]
    tails = [
        Tail((log or OUTPUT,), tuple(re.findall(r"    (.*)\n", lines)))
        for log, lines in re.findall(
            r"last lines of its (?:output|log (\S+)) .*\n((?:    .*\n)+)", shown
        )
    ]
    copies = [
        Copy(path, log or OUTPUT)
        for path, log in re.findall(r"    (\.snakemake\S+): its (?:output|log (\S+))", shown)
    ]
    failure = Failure(Cause(cause), sentence)
    wanted = a_plan(queue=queue, image=image)
    reported = {"job_id": job_id, "tails": tails, "copies": copies}
    assert failure_report.report(label, failure, wanted, None, **reported) == shown
    seen = failure_report.SimilarFailures()
    for _ in range(3):
        seen.is_first(label.split()[0], str(_), failure)
    assert seen.counts() == [alike]


def test_the_table_of_queues_is_what_the_command_prints(tmp_path):
    command = [sys.executable, "-m", main.__name__]
    done = subprocess.run(
        [*command, "local", "--dir", str(tmp_path), "--", *command, "queues"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout in blocks(QUEUES, "text", "Queues")


def test_every_fault_has_its_row_with_its_fields():
    text = section(LOCAL_CLOUD, "Faults on request")
    table = {code(kind)[0]: cell for kind, _, cell in rows(text)}
    assert sorted(table) == sorted(KINDS)
    for kind, cell in table.items():
        named = {word for word in code(cell) if word != "*"}
        assert named == {f.name for f in fields(KINDS[kind])}, kind


def test_the_folders_that_travel_are_those_of_the_code():
    text = section(FEATURES_PAGE, "What travels with the workflow")
    assert set(CODE_FOLDERS) <= set(code(text))


def test_the_images_that_do_not_work_end_with_the_sentences_of_the_docs(tmp_path):
    """Their order is the docs'; tests/containers sees each one end so."""
    codes = {"status": "FAILED", "container": {"exitCode": taskspec.EXIT_NO_PYTHON}}
    no_shell = 'CannotStartContainerError: … exec: "/bin/sh": no such file or directory'
    with pytest.raises(Fault) as no_bash:
        command_start.find_shell(str(tmp_path / "no-such-bash"), {"PATH": ""})
    no_shell_facts = replace(no_bash.value.facts, file="bash")
    with pytest.raises(Fault) as no_snakemake:
        snakemake_python.choose([Python("python", "3.9.2")], SnakemakeNeeds("9.27.1", "3.11"))
    in_image = ProblemContext(facts=no_snakemake.value.facts, image="org/tool:1")
    said = [
        failure_cause.read(codes),
        failure_cause.not_entered(1),
        Failure(
            no_bash.value.cause,
            sentence(no_bash.value.problem, ProblemContext(facts=no_shell_facts)),
        ),
        failure_cause.read({"status": "FAILED", "container": {"reason": no_shell}}),
        Failure(no_snakemake.value.cause, sentence(no_snakemake.value.problem, in_image)),
    ]
    table = rows(section(ADMINISTRATORS, "Which images work"))
    quoted = [cell for _, cell in table if "[IMAGE]" in cell]
    assert len(quoted) == len(said)
    for cell, failure in zip(quoted, said, strict=True):
        assert failure.cause is Cause.IMAGE
        parts = code(cell)[0].strip().split("…")
        assert failure.sentence.startswith(parts[0].strip()), cell
        assert [part for part in parts if part.strip() not in failure.sentence] == []


def test_every_image_of_the_container_tests_has_its_row():
    text = (ROOT / "tests/containers/test_images.py").read_text()
    tested = rows(text.split('"""')[1])
    shown = rows(section(ADMINISTRATORS, "Which images work"))
    assert [len(tested), sum("cause IMAGE" in row[1] for row in tested)] == [
        len(shown),
        sum("[IMAGE]" in row[1] for row in shown),
    ]


def test_the_table_of_permissions_is_that_of_the_doctor():
    table = rows(section(ADMINISTRATORS, "Permissions"))
    shown = {code(permission)[0]: without for permission, without in table}
    assert shown == {**permissions.NEEDED, **permissions.USEFUL}
    table = rows(section(ADMINISTRATORS, "The role of submitted runs"))
    shown = {code(permission)[0]: without for permission, without in table}
    some_role = permissions.AccountContext("us-west-2", "0", roles=("role",))
    assert shown == permissions.of_controller(some_role)


def test_the_ways_to_run_jobs_locally_are_those_of_the_command():
    table = rows(section(LOCAL_CLOUD, "In containers"))
    named = [name for row in table for name in code(row[0])]
    assert sorted(named) == sorted(get_args(choice.Containers))


def test_what_tests_run_installs_is_what_the_readme_says():
    script = (ROOT / "tests/run").read_text()
    packages = re.search(r"^for need in (.*); do$", script, re.M)[1]
    wanted = {name for need in packages.split() for name in need.partition(":")[2].split(",")}
    assert wanted
    text = section(README, "Try it")
    assert [name for name in wanted if f"`{name}`" not in text] == []


def test_sentences_about_a_full_scratch_are_said_by_the_code():
    text = section(FEATURES_PAGE, "Files in the container")
    facts = Facts(activity=problems.INPUTS, file="/x", disk_mb=5000)
    (quoted,) = (words for words in code(text) if words.startswith("no space"))
    reported = sentence(Problem.DISK_FULL, ProblemContext(facts=facts))
    assert reported.startswith(quoted)
    assert "disk_mb is 5,000 MB" in reported
    kinds = {"crc32": "CRC32", "sha256": "SHA-256", "sha1": "SHA-1"}
    assert list(checksum.NAMED) == list(kinds)
    assert all(name in text for name in kinds.values())
    assert download.TRIES == 3
    assert "three times in all" in flat(text)


#: First cells that are not sentences of ours: other programs', or a description of what one sees.
NOT_OURS = (
    "`",
    "Nothing",
    "No such file",
    "Unable to retrieve",
    "Singularity",
    "CannotPull",
    "Error grouping",
)


@pytest.mark.parametrize(
    "title", ["Before the first job is sent", "Why does my job not start?", "Other questions"]
)
def test_sentences_of_ours_in_the_troubleshooting_are_said_by_the_code(title):
    package = ROOT / "snakemake_executor_plugin_hutchbatch"
    said = " ".join(path.read_text() for path in package.rglob("*.py"))
    said = re.sub(r'"\s*f?"|\{[^{}]*\}', "", re.sub(r"\s+", " ", said))
    for cell, *_ in rows(section(TROUBLESHOOTING, title)):
        if not cell.startswith(NOT_OURS):
            parts = [part.strip(" :") for text in cell.split(", ") for part in text.split("…")]
            assert [part for part in parts if part not in said] == []


# Names and paths


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLE], ids=ids)
def test_options_and_resources_that_are_named_exist(page):
    text = page.read_text()
    options = set(re.findall(r"--hutchbatch-[a-z][a-z0-9]*(?:-[a-z0-9]+)*", text))
    assert options <= OPTIONS
    keys = set(re.findall(r"^\s*(hutchbatch-[a-z0-9-]+):", text, re.M))
    assert {f"--{key}" for key in keys} <= OPTIONS
    assert set(re.findall(r"\bhutchbatch_[a-z]+(?:_[a-z]+)*", text)) <= RESOURCES
    variables = set(re.findall(r"SNAKEMAKE_HUTCHBATCH_([A-Z_]+)", text))
    assert {settings.option_name(name.lower()) for name in variables} <= OPTIONS


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_scripts_and_links_that_are_named_exist(page):
    text = page.read_text()
    for script in re.findall(r"\bbash ([\w.-]+/[\w./-]+)", text):
        assert (ROOT / script).is_file(), script
    for path in re.findall(r"(?<![\w/])tests/[\w./-]+", text):
        if path != "tests/artifacts":  # made by tests
            assert (ROOT / path.rstrip(".")).exists(), path
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("http"):
            path, _, anchor = target.partition("#")
            linked = (page.parent / path) if path else page
            assert linked.exists(), target
            if anchor:
                assert anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_paths_of_the_example_that_are_named_exist_or_are_made_by_it():
    text = README.read_text()
    for path in re.findall(r"\bexample_workflow/[\w./-]+", text):
        if ".hutchbatch-local" not in path:
            assert (ROOT / path.rstrip(".")).exists(), path
    made = re.search(r"`(example_workflow/\.hutchbatch-local/s3/[^`]*)`", text)
    profile = yaml.safe_load((ROOT / "example_workflow/profiles/local/config.yaml").read_text())
    prefix = profile["default-storage-prefix"].removeprefix("s3://")
    assert made
    assert made[1].startswith(f"example_workflow/{local.LOCAL_DIRECTORY}/s3/{prefix}/results/")
    snakefile = (ROOT / "example_workflow/workflow/Snakefile").read_text()
    assert f'"results/{Path(made[1]).name}"' in snakefile


def test_the_places_that_contributing_names_exist():
    text = section(ROOT / "CONTRIBUTING.md", "Where things live")
    package = ROOT / "snakemake_executor_plugin_hutchbatch"
    named = [name for row in rows(text) for name in code(row[0])]
    assert named
    assert [name for name in named if not (package / name).exists()] == []


# Snippets


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "yaml")], ids=ids)
def test_yaml_snippets_are_profiles_or_sites(page):
    for text in blocks(page, "yaml"):
        profile = yaml.safe_load(text)
        assert isinstance(profile, dict)
        if "queues" in profile:
            assert site.parse(text, page.name).queues
            continue
        given = {
            key.removeprefix("hutchbatch-").replace("-", "_"): value
            for key, value in profile.items()
            if key.startswith("hutchbatch-")
        }
        settings.ExecutorSettings(**given)  # raises for what cannot be used
        for values_ in profile.get("set-resources", {}).values():
            settings.job_values(values_)


def test_the_snakefile_snippet_runs_and_asks_for_what_it_says(tmp_path):
    (snippet,) = blocks(README, "python")
    (tmp_path / "Snakefile").write_text(snippet)
    for path in ("reference/genome.fa", "reads/A.fastq.gz"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "8", "mapped/A.sam"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    reported = done.stdout + done.stderr
    assert done.returncode == 0, reported
    assert "threads: 8" in reported
    assert "mem_mb=16000" in reported
    assert "runtime=120" in reported
    assert "hutchbatch_queue=cpu-spot-40,cpu-spot-50" in reported


def test_the_dockerfile_pins_versions_that_hutchbatch_allows():
    (text,) = blocks(ADMINISTRATORS, "dockerfile")
    pins = dict(re.findall(r"^\s+([\w-]+)==([\d.]+)", text, re.M))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    assert set(pins) == {"snakemake", "snakemake-storage-plugin-s3", "boto3"}
    assert all(allowed[name].contains(version) for name, version in pins.items())


@pytest.mark.parametrize(
    "path",
    [ROOT / ".pre-commit-config.yaml", *(ROOT / ".github" / "workflows").glob("*.yml")],
    ids=ids,
)
def test_configuration_of_tools_is_yaml(path):
    assert yaml.safe_load(path.read_text())


def test_ci_runs_the_readmes_test_command():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    steps = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert "bash .ci/run" in steps
    assert "bash tests/run" in (ROOT / ".ci/run").read_text()
    assert "bash tests/run" in README.read_text()


def test_the_table_of_the_traces_columns_is_that_of_the_code():
    text = section(COMMANDS, "The columns of `trace.tsv`")
    shown = {code(name)[0]: about for name, about in rows(text)}
    assert list(shown.items()) == list(attempt_table.COLUMNS.items())


def test_suggestions_are_made_as_the_docs_say():
    text = section(COMMANDS, "`hutchbatch report`: what ran when, and what it needed")
    text = flat(text)
    assert f"times {resource_advice.MEMORY_HEADROOM}," in text
    assert f"from {resource_advice.SPARE} on" in text
    assert (resource_advice.NEAR, resource_advice.SHORTEST) == (0.8, 5.0)
    assert "less than a fifth" in text
    assert "five seconds or more" in text


# Snakemake's features

#: What people look for; each must have a row.
FEATURES = (
    "temp()",
    "protected()",
    "directory()",
    "touch()",
    "ensure()",
    "update()",
    "before_update()",
    "pipe()",
    "service()",
    "report()",
    "local()",
    "ancient()",
    "unpack()",
    "multiext()",
    "storage.s3()",
    "storage.http()",
    "params",
    "scattergather:",
    "group:",
    "log:",
    "benchmark:",
    "shadow:",
    "envvars:",
    "retries:",
    "resources:",
    "threads:",
    "priority:",
    "localrules:",
    "include:",
    "module",
    "source_path()",
    "script:",
    "notebook:",
    "wrapper:",
    "run:",
    "template_engine:",
    "cache:",
    "handover:",
    "default_target:",
    "--config",
    "--configfile",
    "--set-resources",
    "--set-threads",
    "--groups",
    "--keep-going",
    "--notemp",
    "--touch",
    "--forcerun",
    "--report",
    "--until",
)


def features():
    """Feature, what the table says of it, and its test as (module, function)."""
    for row in rows(section(FEATURES_PAGE, "Snakemake's features")):
        reported, test = re.fullmatch(r"(.*) <!-- (\S+) -->", row[1]).groups()
        yield pytest.param(row[0], reported, test.split("::"), id=row[0])


@functools.cache
def sentences(folder: Path) -> list[str]:
    """Patterns of the texts in Python code that are as long as sentences; values are anything."""
    found = []
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            known = [p.value if isinstance(p, ast.Constant) else None for p in parts]
            if sum(len(text) for text in known if isinstance(text, str)) > 25:
                found.append("".join(re.escape(t) if isinstance(t, str) else ".*" for t in known))
    return found


def test_every_feature_has_a_row():
    named = {name for param in features() for name in code(param.values[0])}
    assert set(FEATURES) <= named


@pytest.mark.parametrize(("feature", "reported", "test"), list(features()))
def test_a_feature_works_or_is_refused_and_has_its_test(feature, reported, test):
    assert reported.startswith(("works", "refused: `", "refused by Snakemake: `"))
    (path,) = (ROOT / "tests").rglob(f"{test[0]}.py")
    assert f"\ndef {test[1]}(" in path.read_text()


@pytest.mark.parametrize(
    ("feature", "reported", "test"), [p for p in features() if p.values[1].startswith("refused:")]
)
def test_a_refusal_is_reported_in_the_words_of_the_code(feature, reported, test):
    (message,) = code(reported)
    said = sentences(ROOT / "snakemake_executor_plugin_hutchbatch")
    assert any(re.search(pattern, message, re.S) for pattern in said)
