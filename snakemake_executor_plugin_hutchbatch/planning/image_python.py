"""A program of ours that a Python of the job's image runs: how bash finds one that can. Pure."""

from __future__ import annotations

import shlex

from ..supervisor import tools

#: For any Python 3: whether it can run the program; what it is.
_ASK = """\
import os,sys
print("Python %d.%d" % sys.version_info[:2])
try: libc = (os.confstr("CS_GNU_LIBC_VERSION") or "")
except (ValueError, OSError): libc = ""
if not libc: print("on another libc than glibc")
sys.exit(0 if libc and {condition} else 1)"""

_COMMAND = """\
found="no Python"
for python in {names}; do
said=$("$python" -c {ask} 2>/dev/null) && \
PYTHONPATH="{before}${folder}" exec "$python" -B -m {program}
[ -n "$said" ] && found=$(echo $said)
done
"""


def become(program: str, names: str, condition: str, before: str = "") -> str:
    """For bash: the first Python among ``names`` with glibc that fulfils ``condition`` becomes
    ``program``, a module with its arguments, which came along with the job. Where there is none,
    bash goes on, and ``$found`` says what there is. ``before``: a path to be looked at first, with
    its colon."""
    return _COMMAND.format(
        names=names,
        ask=shlex.quote(_ASK.format(condition=condition)),
        before=before,
        folder=tools.FOLDER,
        program=program,
    )
