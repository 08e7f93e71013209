"""What somebody reads who types a subcommand or an option that does not exist."""

from types import SimpleNamespace

import boto3
import pytest
from snakemake_interface_common.exceptions import ApiError

from snakemake_executor_plugin_hutchbatch.cli import main, suggestions
from snakemake_executor_plugin_hutchbatch.snakemake_patches import s3_storage


def output(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main.main(words)
    shown = capsys.readouterr()
    return ended.value.code, shown.out, shown.err


def test_the_bare_command_shows_its_help_and_fails(capsys):
    code, out, err = output(capsys)
    assert code == 2
    assert all(name in out for name in ("status", "show the status of a run", "--version"))
    assert err == ""


def test_the_version_names_what_a_report_of_a_fault_needs(capsys):
    code, out, _ = output(capsys, "--version")
    assert code == 0
    assert out.startswith("hutchbatch 0.")
    assert "Snakemake 9." in out
    assert "Python 3." in out


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("statsu", "did you mean status?"),
        ("log", "did you mean logs?"),
        ("kill", "did you mean cancel?"),
        ("Status", "did you mean status?"),
        ("lgos", "did you mean logs?"),
        ("plam", "did you mean plan?"),
        ("sbatch", "did you mean submit?"),
        ("start", "did you mean submit?"),
        ("prune", "did you mean cleanup?"),
        ("login", "hutchbatch --help lists them"),
        ("xyzzy", "hutchbatch --help lists them"),
    ],
)
def test_a_subcommand_that_does_not_exist_leads_to_the_one_that_was_meant(word, meant, capsys):
    code, _, err = output(capsys, word, "--any", "thing")
    assert code == 2
    assert f"there is no subcommand {word!r}; {meant}" in err


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (
            ("status", "--wathc"),
            "hutchbatch status: error: unknown option --wathc; did you mean",
        ),
        (("status", "--jsno=1"), "unknown option --jsno; did you mean --json?"),
        (("status", "--quux"), "unknown option --quux\n"),
        (("runs", "-n", "x"), "argument -n/--number: 'x' is not a number of runs"),
        (("runs", "a", "b"), "hutchbatch runs: error: too many arguments: a b"),
        (("--verson",), "unknown option --verson; did you mean --version?"),
        (("--debug",), "required: SUBCOMMAND"),
    ],
)
def test_a_wrong_option_is_named_with_the_subcommand_that_has_no_such_one(words, reported, capsys):
    code, _, err = output(capsys, *words)
    assert code == 2
    assert reported in err


@pytest.mark.parametrize(("command", "shown"), [("cleanup", 30), ("doctor", 20)])
def test_defaults_are_shown_as_they_are_typed(command, shown, capsys):
    assert f"(default: {shown})" in " ".join(output(capsys, command, "--help")[1].split())


def test_help_is_a_subcommand_too(capsys):
    assert output(capsys, "help", "logs")[1] == output(capsys, "logs", "--help")[1]
    assert output(capsys, "help")[1] == output(capsys, "--help")[1]


@pytest.mark.parametrize("name", sorted(main._parsers()[1].choices))
@pytest.mark.parametrize("wrong", [["--no-such-option"], ["--debug=1"]])
def test_every_subcommand_refuses_what_it_does_not_know_with_its_usage(name, wrong, capsys):
    code, _, err = output(capsys, name, *wrong)
    assert code == 2
    assert err.startswith(f"usage: hutchbatch {name} ")
    assert "Traceback" not in err


def test_words_of_other_tools_lead_to_subcommands_that_exist():
    known = list(main._parsers()[1].choices)
    for word in suggestions._ELSEWHERE:
        assert word not in known
        assert suggestions.subcommands(word, known)


@pytest.mark.parametrize(
    ("variable", "value"), [("AWS_PROFILE", "nosuch"), ("AWS_ENDPOINT_URL", "nosuch")]
)
def test_what_aws_cannot_use_in_the_environment_is_one_sentence(
    variable, value, monkeypatch, capsys
):
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert main.main(["queues"])
    said = capsys.readouterr().err
    assert variable in said
    assert "please report it" not in said


def test_snakemake_shows_no_traceback_for_a_profile_that_does_not_exist(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nosuch")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    begin = s3_storage.check_credentials(lambda _: None)
    with pytest.raises(ApiError, match="set AWS_PROFILE to a profile"):
        begin(SimpleNamespace())
