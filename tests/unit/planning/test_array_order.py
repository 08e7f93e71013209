"""Neighbours in an array are neighbours in a listing of S3."""

from dataclasses import dataclass
from types import SimpleNamespace

from snakemake_executor_plugin_hutchbatch.planning.array_order import by_outputs


@dataclass(frozen=True)
class Job:
    """Of Snakemake's, what its order asks for."""

    name: str
    output: tuple[str, ...]
    priority: int = 0

    @property
    def rule(self):
        return SimpleNamespace(name=self.name)

    def is_group(self):
        return False


class Group:
    priority = 0

    def __init__(self, *jobs):
        self.jobs = jobs

    def is_group(self):
        return True


def test_jobs_of_a_rule_are_in_the_order_of_their_outputs():
    ten, nine, two = (Job("a", (f"out/{n}.txt",)) for n in (10, 9, 2))
    assert by_outputs([two, nine, ten]) == [ten, two, nine]  # as S3 sorts them


def test_what_snakemake_chose_to_come_first_does():
    urgent = Job("a", ("z",), priority=5)
    jobs = [urgent, Job("b", ("y",)), Job("a", ("x",)), Job("b", ("c",)), Job("a", ("d",))]
    found = by_outputs(jobs)
    assert found[0] is urgent
    assert [job.name for job in found] == [job.name for job in jobs]
    assert [job.output[0] for job in found] == ["z", "c", "d", "y", "x"]


def test_groups_and_jobs_without_outputs_have_their_places():
    groups = [Group(Job("a", (f"t/{n}",)), Job("b", (f"o/{n}",))) for n in (3, 1, 2)]
    nothing = Job("c", ())
    assert by_outputs([*groups, nothing]) == [groups[1], groups[2], groups[0], nothing]
    assert by_outputs([]) == []
