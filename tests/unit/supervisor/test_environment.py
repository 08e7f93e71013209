"""The environment of commands."""

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.environment import step_environment
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Script, Step, TaskSpec

SCRIPT = Script("s3://b/x", "0" * 64, ".snakemake/scripts/a.R", "Rscript", "1")


def made(base, script=SCRIPT, **own):
    step = Step("a", "true", script=script, environment=own)
    return step_environment(base, TaskSpec("a", "s3://b/s/", (step,)), step, "/tmp/t", "/tmp/w")


@pytest.mark.parametrize("base", [{}, {"LANG": "C"}, {"LC_CTYPE": "POSIX"}, {"LANG": ""}])
def test_scripts_read_utf_8_where_nobody_has_chosen_a_locale(base):
    assert made(base)["LC_CTYPE"] == "C.UTF-8"


@pytest.mark.parametrize("base", [{"LANG": "en_US.UTF-8"}, {"LC_ALL": "C"}, {"LC_CTYPE": "de_DE"}])
def test_a_locale_that_somebody_has_chosen_stays(base):
    assert {name: value for name, value in made(base).items() if name in base} == base
    assert "LC_CTYPE" not in made({"LC_ALL": "C"})


def test_a_step_s_own_locale_wins():
    assert made({}, LC_CTYPE="de_DE")["LC_CTYPE"] == "de_DE"


def test_commands_have_the_image_s_locale():
    assert "LC_CTYPE" not in made({}, script=None)
