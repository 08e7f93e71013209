"""What the job's log says of a failure."""

from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Cause, Facts, Problem


def test_a_failure_is_one_line_whatever_another_program_said():
    """Lines after the first would stand among the job's own last lines in the terminal."""
    words = Facts(words="first\nsecond", code="exit code 3")
    line = Failure(1, Cause.COMMAND, Problem.CONDA_DEPLOY, words).line()
    assert "first / second" in line
    assert "\n" not in line
