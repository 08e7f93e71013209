"""Small things that other modules share."""

import hashlib
import os

import hutchbatch_script

__version__ = "@VERSION@"
MIN_PY_VERSION = (3, 7)
ON_WINDOWS = os.name == "nt"


def get_report_id(path):
    return hashlib.sha256(str(path).encode()).hexdigest()


def get_file_hash(filename, algorithm="sha256"):
    digest = hashlib.new(algorithm)
    with open(filename, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def mb_to_mib(mb):
    return -int(-mb * 0.95367431640625 // 1)


def mib_to_mb(mib):
    return int(mib / 0.95367431640625 // 1)


def num_if_possible(s):
    for kind in (int, float):
        try:
            return kind(s)
        except ValueError:
            pass
    return s


def is_namedtuple_instance(x):
    return isinstance(x, tuple) and hasattr(x, "_fields")


def __getattr__(name):
    return hutchbatch_script.missing(__name__, name)
