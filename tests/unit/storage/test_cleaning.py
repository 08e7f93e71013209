"""What of a work prefix may go: never what a run, an environment or somebody else needs."""

import pytest

from snakemake_executor_plugin_hutchbatch.storage import cleaning, work_files
from snakemake_executor_plugin_hutchbatch.storage.cleaning import (
    DAY,
    UploadLeft,
    Wanted,
    decide,
    is_left,
)
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout
from snakemake_executor_plugin_hutchbatch.storage.work_files import StoredFile

NOW = 1_800_000_000.0
LAYOUT = WorkLayout("s3://b/p/.hutchbatch/")
PREFIX = "p/.hutchbatch/"
RUN, OTHER, DETACHED = "20261001-000000-aaaaaa", "20261002-000000-bbbbbb", "20261003-000000-cccccc"
DIGEST, KEY = "d" * 64, "0123456789"


def stored(url, days=60.0, size=10, **more):
    return StoredFile(url.removeprefix("s3://b/"), size, NOW - days * DAY, **more)


def of_run(run, days=60.0):
    layout = LAYOUT.run(run)
    return [stored(layout.task("t"), days), stored(f"{layout.status}j.1.json", days)]


def of_detached(run, *, ended, days=60.0):
    layout = LAYOUT.detached(run)
    files = [layout.outcome] * ended + [layout.request, layout.lease, layout.part("x")]
    return [stored(url, days) for url in files]


def decided(files, live=None, **wanted):
    work = work_files.sort(files, PREFIX)
    return decide(work, live or {}, Wanted(**{"days": 30.0, **wanted}), NOW)


def names(decision):
    return [(each.kind, each.name) for each in decision.goes]


def test_runs_that_have_ended_go_when_they_are_old_enough():
    files = [*of_run(RUN), *of_run(OTHER, days=29)]
    assert names(decided(files)) == [("runs", RUN)]
    assert names(decided(files, days=7)) == [("runs", RUN), ("runs", OTHER)]
    # By the last that was written.
    assert names(decided([*of_run(RUN), stored(LAYOUT.run(RUN).task("u"), 1)])) == []


def test_a_run_with_a_mark_stays_whatever_is_asked():
    files = [*of_run(RUN), stored(LAYOUT.mark(RUN))]
    for wanted in ({}, {"run": RUN}, {"days": 0}):
        found = decided(files, **wanted)
        assert names(found) == []
        assert [each.name for each in found.stays] == [RUN]


def test_a_run_of_this_folder_that_lives_stays_without_a_mark_too():
    found = decided(of_run(RUN), {RUN: "is under way"}, days=0)
    assert (names(found), found.stays[0].why) == ([], "is under way")


def test_a_run_that_is_named_goes_alone_and_young():
    files = [*of_run(RUN, days=0.1), *of_run(OTHER), stored(LAYOUT.doctor(KEY) + "x")]
    assert names(decided(files, run=RUN)) == [("runs", RUN)]


def test_a_run_with_a_job_that_is_run_again_stays_for_a_day():
    again = LAYOUT.run(RUN).rerun("k").task
    assert names(decided([*of_run(RUN), stored(again, 0.5)], run=RUN)) == []
    assert names(decided([*of_run(RUN), stored(again, 2)], run=RUN)) == [("runs", RUN)]


def test_a_detached_run_goes_when_it_has_an_outcome_and_that_goes_last():
    assert names(decided(of_detached(DETACHED, ended=False))) == []
    assert "cancel" in decided(of_detached(DETACHED, ended=False)).stays[0].why
    (goes,) = decided(of_detached(DETACHED, ended=True)).goes
    first, last = goes.in_turn
    assert [f.key.rpartition("/")[2] for f in last] == ["outcome.json", "request.json"]
    assert len(first) == 2


@pytest.mark.parametrize(
    "under_way",
    [
        [stored(LAYOUT.mark(OTHER), 0)],
        [stored(LAYOUT.mark("of-another-version"), 0)],
        of_detached(DETACHED, ended=False),
        [stored(LAYOUT.run(OTHER).rerun("k").task, 0.5)],
    ],
)
def test_what_runs_share_goes_if_that_is_asked_for_and_no_run_is_under_way(under_way):
    files = [
        stored(LAYOUT.sources(DIGEST)),
        stored(LAYOUT.supervisor(DIGEST), 1),
        stored(LAYOUT.script(DIGEST)),
        stored(LAYOUT.packages(DIGEST)),
    ]
    assert names(decided(files)) == []
    (goes,) = decided(files, shared=True).goes
    assert len(goes.files) == 3  # one is young
    found = decided([*files, *under_way], shared=True)
    assert "shared" not in dict(names(found))
    assert "under way" in found.shared_stays
    assert "shared" not in dict(names(decided(files, {RUN: "is under way"}, shared=True)))


def test_environments_and_what_nobody_knows_stay():
    files = [
        stored(LAYOUT.conda_manifest("0" * 32)),
        stored(f"{LAYOUT.conda_packages}a.conda"),
        stored(LAYOUT.conda_build(DIGEST)),
        stored(f"{LAYOUT.prefix}notes.txt"),
        stored(f"{LAYOUT.prefix}runs/notes.txt"),
        stored(f"{LAYOUT.prefix}runs/../x/y"),
        stored(f"{LAYOUT.prefix}open/notes.txt"),
        stored(f"{LAYOUT.prefix}sources"),
    ]
    work = work_files.sort(files, PREFIX)
    assert (len(work.conda), len(work.other)) == (3, 5)
    assert names(decided(files, days=0, shared=True)) == []


def test_files_of_the_users_that_are_called_as_hutchbatchs_stay():
    """A work prefix may be a folder of the user's, with runs of a sequencer in it."""
    theirs = [
        *("runs/240101_M01234_0001/reads.fastq.gz", "runs/exp1/config.yaml", "doctor/smith/x.csv"),
        *(f"runs/{RUN}/plots/a.pdf", "scripts/plot.R", "sources/paper.tar.xz", "packages/a.tar.gz"),
        *("supervisor/letter.docx", "detached/houses/outcome.json", "runs/a/status/b"),
    ]
    work = work_files.sort([stored(LAYOUT.prefix + each) for each in theirs], PREFIX)
    assert len(work.other) == len(theirs)
    assert decide(work, {}, Wanted(0, shared=True), NOW).goes == ()


def test_versions_of_a_mark_that_was_removed_go_with_its_run():
    def removed(url):
        return [stored(url, version="1", gone=True), stored(url, 0, 0, version="2", gone=True)]

    files = [*of_run(RUN), *removed(LAYOUT.mark(RUN))]
    (goes,) = decided(files, run=RUN).goes
    assert (goes.name, len(goes.files)) == (RUN, 4)
    # It was written again, as a run signs it while it goes on.
    again = [*of_run(RUN), stored(LAYOUT.mark(RUN), version="1", gone=True)]
    again.append(stored(LAYOUT.mark(RUN), 0, version="2"))
    assert names(decided(again, run=RUN)) == []


def test_what_a_killed_doctor_left_goes_after_a_day():
    files = [stored(LAYOUT.doctor(KEY) + "task.json", 2)]
    assert names(decided(files, days=0)) == [("doctor", KEY)]
    assert names(decided([stored(LAYOUT.doctor(KEY) + "task.json", 0.5)], days=0)) == []


def test_every_place_of_a_run_has_a_kind():
    """A new folder in the layout must be thought of here."""
    run, detached = LAYOUT.run(RUN), LAYOUT.detached(DETACHED)
    urls = [run.config, run.private_task("t"), run.task("t"), f"{run.status}x", detached.cancel]
    urls += [detached.manifest, LAYOUT.mark(RUN), LAYOUT.sources(DIGEST), LAYOUT.script(DIGEST)]
    work = work_files.sort(map(stored, urls), PREFIX)
    assert work.other == ()


def test_uploads_in_parts_are_left_alone_for_a_week_at_least():
    def upload(days):
        return UploadLeft("k", "id", NOW - days * DAY)

    assert not is_left(upload(6), 0, NOW)
    assert is_left(upload(8), 0, NOW)
    assert not is_left(upload(8), 30, NOW)
    assert cleaning.UPLOAD_DAYS == 7
