"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

Cell = str | int


def lines(rows: Sequence[Sequence[Cell]], heads: Sequence[str]) -> list[str]:
    """A line for the heads and one for each row. Whole numbers stand on the right, with commas;
    texts on the left, as they are."""
    aligned = ["left" if isinstance(cell, str) else "right" for cell in (rows or [heads])[0]]
    shown = [[f"{c:,}" if isinstance(c, int) else c for c in row] for row in rows]
    # As a row: tabulate widens the columns of what it knows for heads.
    table = tabulate([heads, *shown], tablefmt="plain", colalign=aligned, disable_numparse=True)
    return [line.rstrip() for line in table.splitlines()]
