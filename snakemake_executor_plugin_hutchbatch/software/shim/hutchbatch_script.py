"""Gives a script its ``snakemake`` object, in an environment that has nothing of Snakemake.

The folder ``snakemake`` beside this file stands for those modules of Snakemake that scripts import.
It comes first, whatever Snakemake the environment has: that may be of another version. A script
that asks for more than it holds gets the environment's own Snakemake, if there is one.

Python 3.6 and later, standard library only.
"""

import sys

if sys.version_info < (3, 6):
    sys.exit(
        "hutchbatch: scripts need Python 3.6 or newer, and this is %s." % sys.version.split()[0]
    )

import binascii
import importlib
import importlib.util
import io
import os
import pathlib
import pickle
import zlib
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder

HERE = os.path.dirname(os.path.abspath(__file__))
#: The script's ``snakemake`` object.
current = None
#: Why nothing came along of what the script imports.
_why = ""


class Finder:
    """Finds the modules of ``snakemake`` that lie beside this file."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] != "snakemake":
            return None
        place = os.path.join(HERE, *name.split("."))
        if os.path.isdir(place):
            init = os.path.join(place, "__init__.py")
            return importlib.util.spec_from_file_location(
                name, init, submodule_search_locations=[place]
            )
        if os.path.isfile(place + ".py"):
            return importlib.util.spec_from_file_location(name, place + ".py")
        if give_way():
            return importlib.util.find_spec(name)
        raise ModuleNotFoundError(advice(name), name=name)


_finder = Finder()


def install():
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def give_way():
    """From now on the environment's own Snakemake is imported; whether there is one."""
    sys.path[:] = [path for path in sys.path if path != HERE]
    if PathFinder.find_spec("snakemake") is None:
        return False
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
        for name in [n for n in sys.modules if n.split(".")[0] == "snakemake"]:
            del sys.modules[name]
        importlib.import_module("snakemake")
    return True


def missing(module, name):
    """What one of the modules here does not have: Snakemake's own, where that is installed. Raises
    AttributeError where it is not."""
    if not name.startswith("_"):
        if give_way():
            return getattr(importlib.import_module(module), name)
        sys.stderr.write("Note by " + advice(module + "." + name) + "\n")
    raise AttributeError("module {!r} has no attribute {!r}".format(module, name))


def advice(name):
    return (
        "hutchbatch: this script uses {}, which only Snakemake itself has, and it is not installed "
        "here. Use an image that has Snakemake, or give the rule the resource "
        'hutchbatch_mode="snakemake".'.format(name)
    )


class Unpickler(pickle.Unpickler):
    """Puts in what only the job knows: its folders, and the configuration, which jobs share."""

    def __init__(self, data, folders, config=None, bench_iteration=None):
        super().__init__(io.BytesIO(data))
        self._folders, self._config, self._bench = folders, config, bench_iteration

    def persistent_load(self, pid):
        kind, value = pid
        if kind == "text":
            return self._text(value)
        if kind == "path":
            name, pieces = value
            return getattr(pathlib, name)(self._text(pieces))
        if kind == "config":
            found = self._config
            for key in value:
                found = found[key]
            return found
        if kind == "bench_iteration":
            return self._bench
        raise pickle.UnpicklingError("unknown value {!r}".format(pid))

    def _text(self, pieces):
        return "".join(p if isinstance(p, str) else self._folders[p] for p in pieces)

    def find_class(self, module, name):
        # Where newer versions keep what older ones have elsewhere.
        for new, old in (("numpy._core", "numpy.core"), ("pathlib._local", "pathlib")):
            if module == new or module.startswith(new + "."):
                try:
                    return super().find_class(module, name)
                except ImportError:
                    return super().find_class(old + module[len(new) :], name)
        return super().find_class(module, name)


def bring(suffix="", folder="", why=""):
    """Appends packages that came along to the script's path, and to none of the programs that it
    starts. ``suffix``: of compiled modules of the Pythons that can use them; ``why`` there are
    none."""
    global _why
    _why = why + " " if why else ""
    if folder and suffix == EXTENSION_SUFFIXES[0] and folder not in sys.path:
        sys.path.append(folder)


def advise_at_the_end(before):
    """A hook for uncaught exceptions that says, behind ``before``, what to do about a module that
    is not there."""

    def hook(kind, error, trace):
        before(kind, error, trace)
        name = getattr(error, "name", None)
        if isinstance(error, ModuleNotFoundError) and name and name.split(".")[0] != "snakemake":
            sys.stderr.write(
                "Note by hutchbatch: this job's Python {} has no module {}. {}Install it "
                "beside Snakemake so that it comes along with the script, name an image that has "
                "it in container: or hutchbatch_image, or give the rule an environment "
                "in conda:.\n".format(sys.version.split()[0], name, _why)
            )

    return hook


def load(job, config, folders, bench_iteration):
    """The ``snakemake`` object. ``job`` and ``config``: compressed pickles as base64; ``folders``:
    the job's temporary and working directories."""
    global current
    install()
    sys.excepthook = advise_at_the_end(sys.excepthook)
    try:
        known = Unpickler(_unpacked(config), folders).load()
        current = Unpickler(_unpacked(job), folders, known, bench_iteration).load()
    except ImportError as error:
        raise ImportError(
            "hutchbatch: the params or config of this rule hold a value of a library that this "
            "image does not have ({}). Use an image that has it, or give the rule plain "
            "values.".format(error)
        )
    return current


def _unpacked(text):
    return zlib.decompress(binascii.a2b_base64(text))
