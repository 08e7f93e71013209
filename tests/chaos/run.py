"""Chaos by hand: ``python tests/chaos/run.py --seeds 20``.

A workflow of 60 jobs that really run, on the embedded cloud, through a random mix of throttling,
5xx, cut connections, outages, a wrong clock, expired keys, a slow S3, jobs that Batch forgets, lost
answers, lost machines and starving queues. Each seed's files are compared with those of a quiet
run, and jobs leave traces that show whether any ran twice. Ends with 1 unless nothing was lost,
wrong or run twice.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

from rounds import Outcome, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first one")
    parser.add_argument("--jobs", type=int, default=60, help="jobs of the workflow")
    parser.add_argument("--longest", type=float, default=3.0, help="seconds of an outage at most")
    parser.add_argument("--lasts", type=float, default=25.0, help="seconds of faults")
    parser.add_argument("--kill", action="store_true", help="kill the controller now and then")
    parser.add_argument(
        "--detached", action="store_true", help="as 'hutchbatch submit' does it: see controllers.py"
    )
    parser.add_argument("--keep", type=Path, help="folder for what bad runs said")
    options = parser.parse_args()
    quiet = run(options.jobs, detached=options.detached)
    if quiet.code:
        sys.stderr.write(quiet.output)
        return 2
    print(f"quiet run: {quiet.seconds:.0f} s, {len(quiet.files)} files", flush=True)
    print("seed  seconds  starts  exit  twice  needless  lost  wrong  faults that struck")
    all_of_them: Counter[str] = Counter()
    bad = 0
    for seed in range(options.first, options.first + options.seeds):
        kept = options.keep / f"seed-{seed}" if options.keep else None
        found = run(
            options.jobs,
            seed,
            options.longest,
            options.lasts,
            options.kill,
            options.detached,
            keep=kept,
        )
        all_of_them += found.struck
        print(line(seed, found, quiet), flush=True)
        if not fine(found, quiet):
            bad += 1
            details = report(found, quiet)
            print(details, flush=True)
            if kept:
                (options.keep / f"seed-{seed}.txt").write_text(f"{details}\n{found.output}")
        elif kept:
            shutil.rmtree(kept)
    print(f"{options.seeds} seeds, {bad} of them not fine; struck in all: {reported(all_of_them)}")
    return 1 if bad else 0


def fine(found: Outcome, quiet: Outcome) -> bool:
    """Whether the run ended well, with all files right, and ran nothing twice."""
    right = quiet.files
    return found.code == 0 and not (
        found.twice or found.needless or found.lost(right) or found.wrong(right) or found.left
    )


def line(seed: int, found: Outcome, quiet: Outcome) -> str:
    right = quiet.files
    return (
        f"{seed:4}  {found.seconds:7.0f}  {found.starts:6}  {found.code:4}  {len(found.twice):5}  "
        f"{len(found.needless):8}  {len(found.lost(right)):4}  {len(found.wrong(right)):5}  "
        f"{reported(found.struck)} {'; '.join(found.left)}"
    )


def report(found: Outcome, quiet: Outcome) -> str:
    """Which files and starts a run that is not fine has too few or too many."""
    return "\n".join(
        [
            *(f"lost: {name}" for name in found.lost(quiet.files)),
            *(f"wrong or too many: {name}" for name in found.wrong(quiet.files)),
            *found.accounts,
        ]
    )


def reported(struck: Counter[str]) -> str:
    return " ".join(f"{kind}={count}" for kind, count in sorted(struck.items()))


if __name__ == "__main__":
    sys.exit(main())
