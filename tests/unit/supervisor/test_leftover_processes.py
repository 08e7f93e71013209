"""Who is waited for when a command's shell has ended."""

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.leftovers import (
    LATENCY,
    LINGER,
    MOMENT,
    TELL,
    Ending,
    Left,
    Seen,
    Writers,
    awaited,
    owner,
)
from snakemake_executor_plugin_hutchbatch.supervisor.processes import Entry, descendants
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Step

WRITER = Left(1, "sort", outputs=("out",))
LOGGER = Left(2, "tee", logs=("log",), fed=True)
SERVER = Left(3, "server", logs=("log",))
STAGE = Left(4, "cat", fed=True)
BUSY = Left(5, "sort", busy=True)
IDLE = Left(6, "sleep")
ALL = (WRITER, LOGGER, SERVER, STAGE, BUSY, IDLE)


def ending(code: int = 0, by_us: bool = False) -> Ending:
    return Ending(Step("r", "true"), code, by_us, 0, 0.0)


def test_writers_are_waited_for_and_whoever_may_become_one_while_an_output_is_missing():
    assert awaited(Seen(ALL)) == [WRITER, LOGGER]
    assert awaited(Seen(ALL, missing=("out",))) == [WRITER, LOGGER, STAGE, BUSY]


def test_a_command_that_has_left_nobody_is_over_at_once():
    assert ending().is_over(Seen(()), 0.0)
    assert ending().is_over(Seen((), missing=("out",)), 0.0)


def test_a_writer_is_waited_for_without_limit_and_its_successors_for_a_moment():
    one = ending()
    for now in (0.0, 1e3, 1e6):
        assert not one.is_over(Seen((WRITER, IDLE)), now)
    assert not one.is_over(Seen((IDLE,)), 1e6 + LINGER - 0.1)
    assert one.is_over(Seen((IDLE,)), 1e6 + LINGER)


@pytest.mark.parametrize(("missing", "moment"), [((), LINGER), (("out",), LATENCY)])
def test_who_writes_nothing_gets_a_moment(missing, moment):
    for idle in (IDLE, SERVER):
        one = ending()
        assert not one.is_over(Seen((idle,), missing), moment - 0.1)
        assert one.is_over(Seen((idle,), missing), moment)


def test_an_output_that_grows_now_and_then_is_waited_for():
    one = ending()
    for size in range(9):
        assert not one.is_over(Seen((IDLE,), state=size), size * (LINGER - 0.1))
    assert one.is_over(Seen((IDLE,), state=8), 8 * (LINGER - 0.1) + LINGER)


def test_after_a_failure_only_pipelines_get_a_moment():
    assert ending(code=1).is_over(Seen(()), 0.0)
    assert not ending(code=1).is_over(Seen((IDLE,)), 0.0)
    assert ending(code=1).is_over(Seen((WRITER, SERVER, BUSY, IDLE)), MOMENT)
    assert not ending(code=1).is_over(Seen((STAGE,)), LINGER - 0.1)
    assert ending(code=1).is_over(Seen((STAGE,)), LINGER)


def test_who_was_asked_to_end_has_the_time_that_was_given():
    for one in (ending(), ending(code=143), ending(code=143, by_us=True)):
        assert not one.is_over(Seen((IDLE,)), 9.9, kill_at=10.0)
        assert one.is_over(Seen((WRITER,)), 10.0, kill_at=10.0)
        assert one.is_over(Seen(()), 0.0, kill_at=10.0)


DONE = WRITER._replace(outputs=())


@pytest.mark.parametrize(
    ("looks", "number", "torn"),
    [
        ([WRITER], 9, True),
        ([WRITER], 0, False),  # ended by itself
        ([WRITER, DONE], 9, True),  # a process that is killed loses its files first
        ([WRITER, DONE, DONE], 9, False),
        ([WRITER, DONE, DONE._replace(dying=True)], 9, True),
        ([WRITER, DONE, WRITER], 9, True),
        ([DONE], 9, False),
        ([WRITER._replace(dying=True)], 15, False),  # kill $!, at the end of the command
        ([WRITER, WRITER._replace(dying=True)], 15, True),
    ],
)
def test_who_is_killed_while_it_writes_leaves_half_a_file(looks, number, torn):
    writers = Writers()
    for one in looks:
        writers.note(Seen((one,)))
    writers.died(WRITER.pid, number)
    assert (writers.torn is not None) == torn


def test_the_user_reads_once_that_waiting_lasts():
    one = ending()
    assert one.news(Seen((WRITER,)), TELL - 1) is None
    assert one.news(Seen((IDLE,)), TELL) is None
    reported = one.news(Seen((IDLE, WRITER)), TELL)
    assert reported is not None
    assert "rule r has ended, but sort (process 1) is still writing out" in reported
    assert one.news(Seen((WRITER,)), 2 * TELL) is None


def entry(parent: int, session: int, state: str = "S") -> Entry:
    return Entry(parent, session, session, state, 0)


def test_a_process_belongs_to_the_command_of_its_session_or_of_those_above_it():
    table = {
        1: entry(0, 1),  # the supervisor
        10: entry(1, 10),  # the shell of a step
        11: entry(10, 10),
        12: entry(11, 12),  # setsid
        13: entry(12, 12),
        20: entry(1, 20),  # an orphan in a session of its own
        21: entry(20, 20, "Z"),
        30: entry(1, 10),  # an orphan of the step's session
        40: entry(41, 40),  # a circle, as far as ids that are used again can make one
        41: entry(40, 41),
    }
    owners = {pid: owner(pid, table, {10}) for pid in table}
    assert owners == {1: 0, 10: 10, 11: 10, 12: 10, 13: 10, 20: 0, 21: 0, 30: 10, 40: 0, 41: 0}
    assert descendants(table, (1,)) == {10, 11, 12, 13, 20, 30}
