"""Becomes a command that receives SIGTERM when its starter dies, for whatever reason.

``python -I -S foreground.py STARTER_PID COMMAND…``; a program of its own because the child itself
must request the signal, and a threaded parent must not run code between fork and exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    starter, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != starter:
        sys.exit(128 + signal.SIGTERM)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
        signal.signal(number, signal.SIG_DFL)
    program = "".join(c if c.isprintable() else "?" for c in command[0])
    try:
        os.execvp(command[0], command)  # noqa: S606
    except FileNotFoundError:
        sys.stderr.write(f"{program}: command not found\n")
        sys.exit(127)
    except OSError as error:
        sys.stderr.write(f"{program}: {error.strerror}\n")
        sys.exit(126)
