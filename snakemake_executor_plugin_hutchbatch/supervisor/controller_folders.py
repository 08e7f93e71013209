"""Where a job has the folders of the controller's machine, and what they are called there.

The job's environment says it (``planning/job_paths.py``). Standard library only.
"""

from __future__ import annotations

import json
import os
from typing import Dict, List, Tuple

from . import launch_folder

#: The variable that names the launch folder to Snakemake in a container, by all its names, its own
#: first.
LAUNCH = "HUTCHBATCH_LAUNCH_FOLDERS"
#: The variables that say where the working directory and the root of the job's tree are, and which
#: other folders of the controller's machine the job has.
WORK = "HUTCHBATCH_WORK_FOLDER"
TREE = "HUTCHBATCH_TREE"
PLACES = "HUTCHBATCH_PLACES"


def work_folder() -> str:
    """The folder that stands for that in which the controller works."""
    return os.environ.get(WORK) or os.getcwd()


def launch_folders() -> Tuple[str, ...]:
    """In a job: the names of the folder in which the controller works, the longest first."""
    names = filter(None, os.environ.get(LAUNCH, "").split(os.pathsep))
    return tuple(sorted(names, key=lambda name: (-len(name), name)))


def launch_folder_name() -> str:
    """Of these its own."""
    return os.environ.get(LAUNCH, "").split(os.pathsep)[0]


def places() -> Tuple[Tuple[str, str], ...]:
    """In a job: folders and files of the controller's machine beside the launch folder, and where
    they are here."""
    found = json.loads(os.environ.get(PLACES) or "[]")
    return tuple((str(name), str(path)) for name, path in found)


def here(text: str, folders: Tuple[str, ...]) -> str:
    """A text with the paths of the job. ``folders``: the names of the launch folder."""
    for name, path in _all_places(folders):
        text = launch_folder.replaced(text, (name,), path)
    return text


def everywhere(value: object, folders: Tuple[str, ...]) -> object:
    """``here`` for all texts in lists and mappings."""
    for name, path in _all_places(folders):
        value = launch_folder.everywhere(value, (name,), path)
    return value


def _all_places(folders: Tuple[str, ...]) -> List[Tuple[str, str]]:
    found = [*((name, work_folder()) for name in folders), *places()]
    return sorted(found, key=lambda each: -len(each[0]))


def there(path: str, folders: Tuple[str, ...]) -> str:
    """What an absolute path of the job is called at the controller."""
    known = [(work_folder(), launch_folder_name())] if folders else []
    for name, place in (*known, *((place, name) for name, place in places())):
        inside = launch_folder.inside(path, (name,))
        if inside != path:
            return place if inside == "." else os.path.join(place, inside)
    return path


def tree() -> str:
    """The root of the job's tree."""
    return os.environ.get(TREE) or work_folder()


def read_index(name: str) -> Dict[str, object]:
    """A JSON object below the tree's root; empty if nothing was sent."""
    try:
        with open(os.path.join(tree(), name), encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return {}
