"""Reports outputs that Snakemake in the container refuses, from its process to the supervisor.

Snakemake ends with exit code 1 for any failure. So if its check of a job's outputs fails, they are
checked as in direct mode, and the result is written to a file beside the patched storage.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, List, Mapping, Optional

from .errors import Failure
from .output_checks import defect, refused
from .problems import Wrong
from .taskspec import Output

if TYPE_CHECKING:
    from ..snakemake_types import File, Job

#: The variable that names the file to Snakemake.
VARIABLE = "HUTCHBATCH_REFUSED_OUTPUTS"
#: Most bytes of it that are read, and outputs that it names.
MOST_BYTES = 64 * 1024
MOST_OUTPUTS = 5


def report_to_supervisor() -> None:
    """Patches Snakemake's check of outputs; a second time it does nothing."""
    from snakemake.dag import DAG

    plain = DAG.check_and_touch_output
    if getattr(plain, "_hutchbatch", False):
        return

    async def check_and_touch_output(
        self: object, job: Job, *args: object, **options: object
    ) -> None:
        try:
            await plain(self, job, *args, **options)
        except Exception:
            _report(job)
            raise

    check_and_touch_output._hutchbatch = True  # type: ignore[attr-defined]
    DAG.check_and_touch_output = check_and_touch_output


def _report(job: Job) -> None:
    """Writes what is wrong with a job's outputs. Never raises: Snakemake's own error counts."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    try:
        wrong = [found for file in job.output if (found := _wrong(job, file)) is not None]
        if wrong:
            _write(path, str(job.rule.name), wrong)
    except Exception:
        return


def _wrong(job: Job, file: File) -> Optional[Wrong]:
    if file in job.pipe_or_service_output:
        return None
    ensured = file.flags.get("ensure")
    ensure: Mapping[str, object] = ensured if isinstance(ensured, dict) else {}
    checksum = ensure.get("checksum")
    if callable(checksum):
        checksum = checksum(job.wildcards)
    output = Output(
        str(file),
        directory=bool(file.is_directory),
        non_empty=bool(ensure.get("non_empty")),
        checksum=f"{ensure.get('checksum_algorithm') or 'sha256'}:{checksum}" if checksum else None,
    )
    return defect(output, str(job.shadowed_path(file)))


def _write(path: str, rule: str, wrong: List[Wrong]) -> None:
    outputs = [asdict(each) for each in wrong[:MOST_OUTPUTS]]
    report = {"rule": rule, "count": len(wrong), "outputs": outputs}
    part = f"{path}.{os.getpid()}"
    with open(part, "w", encoding="ascii") as file:
        json.dump(report, file)
    os.replace(part, path)


def read_report(path: str) -> Optional[Failure]:
    """The job's failure, if Snakemake has refused outputs; otherwise None. The job itself can write
    the file, just as it chooses its exit code."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(MOST_BYTES))
        wrong = [Wrong(**{str(k): str(v) for k, v in each.items()}) for each in found["outputs"]]
        return refused(wrong, str(found["rule"]), max(int(found["count"]), len(wrong)))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
