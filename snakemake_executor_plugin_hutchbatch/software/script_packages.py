"""What Python scripts import, for jobs whose image lacks it: in plain Snakemake they run with
Snakemake's own Python, and can import what is installed beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws.retry import Retrier
from ..supervisor.taskspec import Packages, Script
from . import installed, pack, pack_store, wheels
from .installed import Package, Target
from .snakemake_packages import MACHINES, closure, providers, target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: What a job gets where a package cannot come along.
ADVICE = (
    "Jobs can import it only where their image has it: name such an image in container: or "
    "hutchbatch_image, or give the rule an environment in conda:."
)


class Packaged:
    """Modules of packages that are installed here: looked for when somebody asks, since it takes a
    while."""

    def __contains__(self, name: object) -> bool:
        return name in providers()


class ScriptPackages:
    """What comes along with the Python scripts of one run. Used by Snakemake's own thread. ``say``
    gets a line for the person at the terminal, once."""

    def __init__(
        self,
        s3: S3Client,
        work_prefix: str,
        retrier: Retrier,
        say: Callable[[str], None],
        folder: Path | None = None,
    ) -> None:
        self._s3, self._prefix, self._retrier = s3, work_prefix, retrier
        self._tell, self._folder = say, folder
        self._said: set[str] = set()
        self._made: dict[tuple[frozenset[str], str], Packages | None] = {}

    def given(
        self, script: Script, outside: Iterable[tuple[str, str]], machines: Collection[str]
    ) -> Script:
        """The script with what it imports, for containers on these machines, by AWS's names of
        their processors. ``outside``: modules of the user's own that do not travel, with their
        files. Raises botocore's errors."""
        for name, file in outside:
            self._say(
                f"The script {_name(script)} imports {name}, which does not come along with its "
                f"jobs: {file} is outside the folder in which Snakemake was started. Put it "
                "beside the script."
            )
        if not script.imports:
            return script
        found = [self._of(script, MACHINES[machine]) for machine in sorted(machines)]
        return replace(script, packages=tuple(each for each in found if each is not None))

    def _of(self, script: Script, machine: str) -> Packages | None:
        roots = frozenset(installed.packages_of(script.imports, providers()))
        if (roots, machine) not in self._made:
            self._made[roots, machine] = self._make(roots, target(machine), script)
        return self._made[roots, machine]

    def _make(self, roots: frozenset[str], wanted: Target, script: Script) -> Packages | None:
        coming: list[Package] = []
        for package in closure(tuple(sorted(roots)), wanted):
            if package.how == "stays":
                self._say(
                    f"{package.name}, which the script {_name(script)} needs, cannot come along "
                    f"with its jobs: {package.why}. {ADVICE}"
                )
            else:
                coming.append(package)
        try:
            made = self._packed(coming, roots, wanted)
        except wheels.NoWheels as error:
            self._say(f"For the script {_name(script)}, {error}. {ADVICE}")
            refused = {package.name for package in error.packages}
            less = [package for package in coming if package.name not in refused]
            try:
                made = self._packed(less, roots, wanted) if refused else None
            except (wheels.NoWheels, OSError):
                made = None
        except OSError as error:
            self._say(
                f"What the script {_name(script)} imports cannot be packed here ({error}). {ADVICE}"
            )
            made = None
        if made is None:
            return None
        what = "storing the packages that a script imports"
        url = pack_store.store(self._s3, self._prefix, self._retrier, made, what)
        return Packages(url, made.sha256, made.size, wanted.suffix, made.glibc)

    def _packed(
        self, packages: Sequence[Package], roots: frozenset[str], wanted: Target
    ) -> pack.Pack | None:
        """Raises ``NoWheels``, and ``OSError``."""
        if not packages:
            return None
        # All of each: nobody knows what of it a script uses.
        whole = {package.name for package in packages}
        if not pack.is_kept(packages, wanted, whole, self._folder):
            names = ", ".join(sorted(roots & whole)) or "what they need"
            more = len(whole - roots)
            needs = f", and {more} more that {'it needs' if len(roots) == 1 else 'they need'}"
            self._say(
                f"Packing what Python scripts import for their jobs: {names}"
                f"{needs if more else ''} (for {wanted.machine}). This is done once."
            )
        return pack.made(packages, wanted, whole, self._folder)

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._tell(text)


def _name(script: Script) -> str:
    """What the user calls it: its file is named ``tmp….NAME``."""
    return script.path.rpartition("/")[2].partition(".")[2]
