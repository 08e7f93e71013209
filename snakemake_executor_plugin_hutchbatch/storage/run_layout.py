"""Where everything of a run is in S3 below the work prefix. Every such path is made here.

open/RUN.json            the mark of a run under way, removed when it has ended in order
sources/DIGEST.tar.xz    the workflow's code; runs share it
supervisor/DIGEST        the supervisor; runs share it
scripts/DIGEST           a rule's script and what comes with it; runs share it
packages/DIGEST.tar.gz   what comes along with jobs under Snakemake; runs share it
conda/locks/DIGEST.json  which packages a conda environment has, by what describes it; runs share it
conda/builds/DIGEST.json which Batch job makes an environment; runs share it
conda/envs/KEY/          a built environment, its manifest.json written last; runs share it
conda/packages/NAME      packages by their content; environments share them
doctor/KEY/              the files of the doctor's small job, removed after it
runs/RUN/status/         what supervisors report of jobs' attempts (``supervisor/status_names``)
runs/RUN/tasks/          descriptions of jobs
runs/RUN/config.yaml     the configuration of the command line; may hold secrets, removed
runs/RUN/private/        descriptions of jobs, and scripts, that hold secrets; removed
runs/RUN/reruns/KEY/     a job of it that 'hutchbatch rerun --on-batch' has run again
detached/ID/             a run whose Snakemake is a job itself (``DetachedLayout``)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: How runs are called (``preflight.prepare``), and other versions might call them. An id comes from
#: a record or a mark, too, and must not lead elsewhere.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
#: What is surely hutchbatch's below a work prefix, by its whole path: a prefix may be a folder in
#: which people keep ``runs/`` and ``scripts/`` of their own.
_OWN_ID = r"\d{8}-\d{6}-[0-9a-f]{6}"
_OWN = re.compile(
    rf"runs/{_OWN_ID}/(?:config\.yaml|(?:status|tasks|private|reruns)/.+)"
    rf"|detached/{_OWN_ID}/(?:(?:request|task|lease|cancel|outcome)\.json|(?:status|state)/.+)"
    rf"|open/{_OWN_ID}\.json"
    r"|doctor/[0-9a-f]{8,}/.+"
    r"|sources/[0-9a-f]{64}\.tar\.xz|(?:supervisor|scripts)/[0-9a-f]{64}"
    r"|packages/[0-9a-f]{64}\.tar\.gz",
    re.ASCII | re.DOTALL,
)


def is_run_id(text: str) -> bool:
    """Whether a run can have this id."""
    return _RUN_ID.fullmatch(text) is not None


def is_own(path: str) -> bool:
    """Whether an object with this path below a work prefix is one of a run's, of the doctor's or of
    what runs share, which hutchbatch may remove. Conda environments are not among them."""
    return _OWN.fullmatch(path) is not None


@dataclass(frozen=True)
class WorkLayout:
    """What is below a work prefix, which ends with a slash. All paths are URLs."""

    prefix: str

    @property
    def marks(self) -> str:
        return f"{self.prefix}open/"

    def mark(self, run_id: str) -> str:
        return f"{self.marks}{run_id}.json"

    def sources(self, digest: str) -> str:
        return f"{self.prefix}sources/{digest}.tar.xz"

    def supervisor(self, digest: str) -> str:
        return f"{self.prefix}supervisor/{digest}"

    def script(self, digest: str) -> str:
        return f"{self.prefix}scripts/{digest}"

    def packages(self, digest: str) -> str:
        return f"{self.prefix}packages/{digest}.tar.gz"

    @property
    def conda_environments(self) -> str:
        return f"{self.prefix}conda/envs/"

    @property
    def conda_packages(self) -> str:
        return f"{self.prefix}conda/packages/"

    @property
    def conda_locks(self) -> str:
        return f"{self.prefix}conda/locks/"

    @property
    def conda_builds(self) -> str:
        return f"{self.prefix}conda/builds/"

    def conda_lock(self, digest: str) -> str:
        return f"{self.conda_locks}{digest}.json"

    def conda_build(self, digest: str) -> str:
        return f"{self.conda_builds}{digest}.json"

    def conda_environment(self, key: str) -> str:
        """The prefix of its parts; the manifest, written last, says that all are there."""
        return f"{self.conda_environments}{key}/"

    def conda_manifest(self, key: str) -> str:
        return f"{self.conda_environment(key)}manifest.json"

    def doctor(self, key: str) -> str:
        return f"{self.prefix}doctor/{key}/"

    @property
    def all_detached(self) -> str:
        return f"{self.prefix}detached/"

    def detached(self, detached_id: str) -> DetachedLayout:
        return DetachedLayout(f"{self.all_detached}{detached_id}/")

    def run(self, run_id: str) -> RunLayout:
        return RunLayout(f"{self.prefix}runs/{run_id}/")


@dataclass(frozen=True)
class RunLayout:
    """What is below one run's own prefix. All paths are URLs."""

    prefix: str

    @property
    def status(self) -> str:
        """The prefix of statuses (``taskspec.status_url``)."""
        return f"{self.prefix}status/"

    def task(self, name: str) -> str:
        return f"{self.prefix}tasks/{name}.json"

    @property
    def config(self) -> str:
        return f"{self.prefix}config.yaml"

    def rerun(self, key: str) -> RerunLayout:
        return RerunLayout(f"{self.prefix}reruns/{key}/")

    @property
    def private(self) -> str:
        return f"{self.prefix}private/"

    def private_task(self, name: str) -> str:
        return f"{self.private}{name}.json"

    def private_object(self, name: str) -> str:
        return f"{self.private}{name}"

    def private_script(self, digest: str) -> str:
        return f"{self.private}{digest}.script"


@dataclass(frozen=True)
class RerunLayout:
    """What is below the prefix of a job that was run again to be looked into. All are URLs."""

    prefix: str

    @property
    def task(self) -> str:
        return f"{self.prefix}task.json"

    @property
    def status(self) -> str:
        """The prefix of its statuses (``taskspec.status_url``)."""
        return f"{self.prefix}status/"

    @property
    def files(self) -> str:
        """What it has made, by its names in the job."""
        return f"{self.prefix}files/"


@dataclass(frozen=True)
class DetachedLayout:
    """What is below the prefix of a detached run, named as runs are. All paths are URLs.

    request.json         what was submitted; written first, and once
    task.json            the description of the controller's job
    status/              what supervisors report of its attempts
    lease.json           which controller may act
    cancel.json          somebody asks for its end
    outcome.json         how it ended; written last, and once
    state/manifest.json  which of the objects beside it make the state that was saved last
    """

    prefix: str

    @property
    def request(self) -> str:
        return f"{self.prefix}request.json"

    @property
    def task(self) -> str:
        return f"{self.prefix}task.json"

    @property
    def status(self) -> str:
        """The prefix of statuses (``taskspec.status_url``)."""
        return f"{self.prefix}status/"

    @property
    def lease(self) -> str:
        return f"{self.prefix}lease.json"

    @property
    def cancel(self) -> str:
        return f"{self.prefix}cancel.json"

    @property
    def outcome(self) -> str:
        return f"{self.prefix}outcome.json"

    @property
    def state(self) -> str:
        return f"{self.prefix}state/"

    @property
    def manifest(self) -> str:
        return f"{self.state}manifest.json"

    def part(self, name: str) -> str:
        return f"{self.state}{name}"
