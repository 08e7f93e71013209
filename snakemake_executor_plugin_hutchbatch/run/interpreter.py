"""What Python itself does beside a run: it looks for garbage, and lets threads take turns."""

from __future__ import annotations

import gc
import sys

#: Python looks through all objects for those that only refer to each other, which takes as long as
#: there are objects, and a graph of 20,000 jobs has millions, all of which stay: with Python's own
#: thresholds (700, 10, 10) a twentieth of the controller's time. After so many more new objects
#: than removed ones the youngest are looked through; after so many looks those that survived one;
#: after so many of these all. Objects that nothing refers to are removed at once as ever.
#: https://docs.python.org/3/library/gc.html#gc.set_threshold
THRESHOLDS = (20_000, 10, 50)
#: Seconds for which a thread may go on while another wants to. Snakemake's thread writes several
#: lines of log for each job that it hands over, and lets the others in each time: with Python's own
#: 5 ms it waited 2 ms a job, with this 0.2, while another thread was busy. Both took as much CPU.
#: https://docs.python.org/3/library/sys.html#sys.setswitchinterval
TURN = 0.0005


def seldom_collect(_graph: object = None) -> None:
    """From now on looks for garbage are rare; never more frequent than they were set to be. Off
    stays off."""
    now = gc.get_threshold()
    if now[0]:
        gc.set_threshold(*map(max, now, THRESHOLDS))


def begin() -> None:
    """Jobs are about to be handed over: the graph stays for the whole run and is not looked through
    any more (https://docs.python.org/3/library/gc.html#gc.freeze), and threads take short turns."""
    gc.freeze()
    sys.setswitchinterval(min(TURN, sys.getswitchinterval()))
