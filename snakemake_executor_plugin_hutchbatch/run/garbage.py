"""How often Python looks through all objects for those that only refer to each other.

Each look takes as long as there are objects, and a graph of 20,000 jobs has millions, all of which
stay: with Python's own thresholds (700 objects, 10, 10) a twentieth of the controller's time. They
are looked through less often here, and the graph not at all once it is built
(https://docs.python.org/3/library/gc.html#gc.freeze). Objects that nothing refers to are removed at
once as ever.
"""

from __future__ import annotations

import gc

#: After so many more new objects than removed ones the youngest are looked through; after so many
#: looks those that survived one; after so many of these all: ten million new objects, of which a
#: poll leaves none. Python itself waits longer where all have not grown by a quarter.
THRESHOLDS = (20_000, 10, 50)


def seldom(_graph: object = None) -> None:
    """From now on looks are rare; never more frequent than they were set to be. Off stays off."""
    now = gc.get_threshold()
    if now[0]:
        gc.set_threshold(*map(max, now, THRESHOLDS))


def keep() -> None:
    """What exists now stays for the whole run, and is not looked through any more."""
    gc.freeze()
