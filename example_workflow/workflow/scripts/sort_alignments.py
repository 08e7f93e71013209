"""Sort and index alignments, and measure them, with samtools (its Python module, pysam).

pysam.NAME(…) is `samtools NAME …`.
"""

import argparse
from pathlib import Path

import pysam

WINDOW = 100  # bases per point of the coverage curve


def windowed_depth(depth_lines, length):
    """Mean depth of each window, from the lines of `samtools depth -a`."""
    sums = [0] * (length // WINDOW + 1)
    for line in depth_lines:
        _, position, depth = line.split("\t")
        sums[(int(position) - 1) // WINDOW] += int(depth)
    for window, total in enumerate(sums):
        start = window * WINDOW
        size = min(WINDOW, length - start)
        if size:
            yield start + 1, total / size


def main():
    """Write the BAM file, its index, `samtools stats` and the coverage curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unsorted", required=True)
    parser.add_argument("--bam", required=True)
    parser.add_argument("--stats", required=True)
    parser.add_argument("--coverage", required=True)
    parser.add_argument("--threads", default="1")
    args = parser.parse_args()

    pysam.sort("-@", args.threads, "-o", args.bam, args.unsorted)
    pysam.index(args.bam)
    Path(args.stats).write_text(pysam.stats(args.bam))

    with pysam.AlignmentFile(args.bam) as bam:
        length = bam.lengths[0]
    with Path(args.coverage).open("w") as file:
        file.write("position\tdepth\n")
        for position, depth in windowed_depth(pysam.depth("-a", args.bam).splitlines(), length):
            file.write(f"{position}\t{depth:.1f}\n")


if __name__ == "__main__":
    main()
