"""Inputs that the supervisor has fetched for Snakemake, from one process to the other.

Snakemake fetches its inputs one by one, and asks S3 several questions about each. Fetched
beforehand, as in direct mode, they are listed in a file beside the patched storage, which then
answers by what is here: that file's times and sizes are those of S3 (``download.py``).
"""

from __future__ import annotations

import json
import os
from types import ModuleType
from typing import TYPE_CHECKING, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

from .errors import LocalError
from .taskspec import Input

if TYPE_CHECKING:
    from ..snakemake_types import StorageObject

#: The variable that names the file to Snakemake.
VARIABLE = "HUTCHBATCH_FETCHED_INPUTS"
NAME = "fetched-inputs.json"


class Fetched(NamedTuple):
    """What S3 has: the time of its last change in seconds since the epoch, its size in bytes."""

    path: str
    mtime: float
    size: int
    directory: bool


def write(folder: str, inputs: Sequence[Input], work: str) -> str:
    """Lists what is here of ``inputs``; the file's path. Raises ``LocalError``."""
    path = os.path.join(folder, NAME)
    try:
        found = {item.url: here for item in inputs if (here := look(os.path.join(work, item.path)))}
        os.makedirs(folder, exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            json.dump(found, file)
    except OSError as error:
        raise LocalError(error, path) from error
    return path


def look(path: str) -> Optional[Fetched]:
    """None where nothing is."""
    if not os.path.isdir(path):
        return Fetched(path, *_times(path), False) if os.path.isfile(path) else None
    below = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    states = [_times(name) for name in below]
    newest = max([state[0] for state in states], default=os.stat(path).st_mtime)
    return Fetched(path, newest, sum(state[1] for state in states), True)


class FetchedInputs:
    """By URL, what was fetched for this Snakemake. Nothing in any other process."""

    def __init__(self, found: Dict[str, Fetched]) -> None:
        self._found = found

    @classmethod
    def read(cls) -> FetchedInputs:
        path = os.environ.get(VARIABLE)
        try:
            with open(path or os.devnull, encoding="ascii") as file:
                text = file.read()
            return cls({str(url): Fetched(*each) for url, each in json.loads(text or "{}").items()})
        except (OSError, ValueError, TypeError, AttributeError):
            return cls({})  # Snakemake fetches them itself

    def of(self, url: str) -> Optional[Fetched]:
        """None for what was not fetched, or is no longer as it was."""
        here = self._found.get(url)
        if here is None:
            return None
        # A folder may have a hundred thousand files, and this is asked often.
        same = os.path.isdir(here.path) if here.directory else look(here.path) == here
        return here if same else None

    def add(self, url: str, here: Fetched) -> None:
        """What is here counts as what S3 has."""
        self._found[url] = here

    def forget(self, url: str) -> None:
        """S3 has something else there now."""
        self._found.pop(url, None)


def answer_by_what_is_here(
    plugin: ModuleType, fetched: FetchedInputs, url: Callable[[StorageObject], str]
) -> None:
    """Patches the storage plugin's objects: S3 is not asked about what was ``fetched``. ``url``:
    where an object is."""
    cls = plugin.StorageObject

    def by_here(name: str, answer: Callable[[Fetched], object]) -> None:
        plain = getattr(cls, name)

        def method(self: StorageObject) -> object:
            here = fetched.of(url(self))
            return plain(self) if here is None else answer(here)

        setattr(cls, name, method)

    by_here("exists", lambda here: True)
    by_here("is_dir", lambda here: here.directory)
    by_here("mtime", lambda here: here.mtime)
    by_here("size", lambda here: here.size)
    plain_inventory, plain_retrieve = cls.inventory, cls.retrieve_object

    async def inventory(self: StorageObject, cache: object) -> None:
        if fetched.of(url(self)) is None:
            await plain_inventory(self, cache)

    def retrieve_object(self: StorageObject) -> None:
        here = fetched.of(url(self))
        if here is None or os.path.realpath(here.path) != os.path.realpath(self.local_path()):
            plain_retrieve(self)

    cls.inventory, cls.retrieve_object = inventory, retrieve_object

    def changing(name: str) -> None:
        plain = getattr(cls, name)

        def method(self: StorageObject) -> None:
            fetched.forget(url(self))
            plain(self)

        setattr(cls, name, method)

    changing("store_object")
    changing("remove")


def _times(path: str) -> Tuple[float, int]:
    state = os.stat(path)
    return state.st_mtime, state.st_size
