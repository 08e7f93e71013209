"""Where a Snakemake that is a job itself has the folders of the machine on which it was submitted.

Its Snakefiles find what they found there: folders that they list hold the same names, sources of
other repositories need not be fetched, and absolute names lead to what was sent.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from ..software.conda import elsewhere
from ..supervisor import controller_folders, listed_files, strict_json
from .launch_tree import Tree
from .outside_modules import FOLDER
from .used_sources import PLACE

#: What the submitting machine calls the folders, for Snakemake and all that it starts there.
VARIABLE = "HUTCHBATCH_SUBMITTED_FROM"


def dumps(tree: Tree) -> str:
    return json.dumps(
        {
            "launch": [os.path.normpath(Path(tree.layout.root, tree.workdir)), *tree.layout.launch],
            "others": tree.layout.others,
            "directory": tree.directory,
            "workdir": tree.workdir,
        }
    )


def enter(environ: MutableMapping[str, str], started: str) -> tuple[str, ...]:
    """Says it to ``controller_folders``. ``started``: the folder in which Snakemake was started.
    Returns the names of the launch folder; none where nothing was submitted."""
    given = environ.get(VARIABLE)
    if not given:
        return ()
    if controller_folders.TREE not in environ:  # not by the Snakemake that has started this one
        found = dict(strict_json.loads(given))  # type: ignore[call-overload]
        root = started.removesuffix(f"/{found['directory']}")
        work = os.path.normpath(Path(root, found["workdir"]))
        places = [(name, os.path.normpath(Path(root, place))) for name, place in found["others"]]
        environ[controller_folders.LAUNCH] = os.pathsep.join(dict.fromkeys(found["launch"]))
        environ[controller_folders.WORK] = work
        environ[controller_folders.TREE] = root
        environ[controller_folders.PLACES] = json.dumps(places)
        if Path(root, elsewhere.CONDARC).is_file():
            environ["CONDARC"] = str(Path(root, elsewhere.CONDARC))
    modules = Path(environ[controller_folders.TREE], FOLDER)
    if modules.is_dir():
        sys.path.append(str(modules))
    return controller_folders.launch_folders()


def sources(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The folder of sources of other repositories that were sent; none on other machines."""
    return (str(Path(controller_folders.tree(), PLACE)),) if VARIABLE in environ else ()


def indexes(environ: Mapping[str, str] = os.environ) -> dict[str, dict[str, object]]:
    """What was sent about folders and files that Snakefiles list or ask about, by their names in
    this container, for this Snakemake's own jobs. Empty on other machines."""
    if VARIABLE not in environ:
        return {}
    folders = controller_folders.launch_folders()
    return {
        index: {
            controller_folders.here(name, folders): entry
            for name, entry in controller_folders.read_index(index).items()
        }
        for index in (listed_files.LISTED_INDEX, listed_files.SEEN_INDEX)
    }
