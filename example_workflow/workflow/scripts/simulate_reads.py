"""Make the paired reads of one patient: a stand-in for the sequencer.

The virus of the patient is the reference genome with the mutations of its lineage and a few of
its own. It is cut into fragments and read from both ends, with the blemishes of real data: uneven
coverage, adapters at the end of short fragments, quality that falls towards the 3' end, sequencing
errors, and some reads that are not of the virus at all. The same seed gives the same reads.
"""

import argparse
import csv
import gzip
import random
from pathlib import Path

READ_LENGTH = 150
# What Illumina's TruSeq kits attach; a fragment shorter than a read ends in this.
ADAPTER_1 = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"
ADAPTER_2 = "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT"
FOREIGN_FRACTION = 0.03  # fragments of something else than the virus
OWN_MUTATIONS = 3  # mutations of the patient's virus that its lineage does not have
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def read_genome(path):
    """The name and the sequence of a FASTA file with one record."""
    header, *lines = Path(path).read_text().splitlines()
    return header[1:].split()[0], "".join(lines)


def read_lineage(path, lineage):
    """The mutations of a lineage as (position, ref, alt), positions counted from 1 as in VCF."""
    with Path(path).open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["lineage"] == lineage]
    if not rows:
        raise SystemExit(f"{path} has no lineage named '{lineage}'.")
    return [(int(row["position"]), row["ref"], row["alt"]) for row in rows]


def own_mutations(genome, taken, rng):
    """A few of the patient's own: C to T, the change this virus makes most often."""
    mutations = []
    while len(mutations) < OWN_MUTATIONS:
        position = rng.randrange(500, len(genome) - 500)
        clear = all(abs(position - other) > 50 for other, _, _ in taken + mutations)
        if clear and genome[position - 1] == "C":
            mutations.append((position, "C", "T"))
    return mutations


def mutate(genome, mutations):
    """The genome with the mutations; from the end, so that positions before them stay valid."""
    for position, ref, alt in sorted(mutations, reverse=True):
        start = position - 1
        if not genome.startswith(ref, start):
            raise SystemExit(f"The genome has no {ref} at position {position}.")
        genome = genome[:start] + alt + genome[start + len(ref) :]
    return genome


def reverse_complement(sequence):
    """The opposite strand, read in its own direction."""
    return sequence.translate(COMPLEMENT)[::-1]


def random_bases(length, rng):
    """Bases of nowhere."""
    return "".join(rng.choices("ACGT", k=length))


def sequence_read(fragment, adapter, rng):
    """One end of a fragment as the machine reports it: bases and their quality characters."""
    bases = (fragment + adapter)[:READ_LENGTH]
    bases += random_bases(READ_LENGTH - len(bases), rng)
    called, qualities = [], []
    for cycle, base in enumerate(bases):
        quality = 37 - rng.randrange(4)
        if cycle > 110:  # the last cycles are worse
            quality -= rng.randrange((cycle - 110) // 2 + 1)
        if rng.random() < 10 ** (-quality / 10):
            base = rng.choice("ACGT")  # noqa: PLW2901
        called.append(base)
        qualities.append(chr(quality + 33))
    return "".join(called), "".join(qualities)


def fragments(genome, count, rng):
    """Fragments from both strands, more of some stretches of 1,000 bases than of others."""
    weights = [rng.uniform(0.4, 1.0) for _ in range(len(genome) // 1000 + 1)]
    while count:
        length = max(60, round(rng.gauss(260, 70)))
        start = rng.randrange(len(genome) - length + 1)
        if rng.random() > weights[start // 1000]:
            continue
        count -= 1
        if rng.random() < FOREIGN_FRACTION:
            yield random_bases(length, rng)
            continue
        fragment = genome[start : start + length]
        yield fragment if rng.random() < 0.5 else reverse_complement(fragment)


def main():
    """Write the two FASTQ files, and the mutations that were planted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genome", required=True)
    parser.add_argument("--lineages", required=True)
    parser.add_argument("--lineage", required=True)
    parser.add_argument("--sample", required=True)
    parser.add_argument("--depth", type=float, required=True, help="mean reads over a position")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--r1", required=True)
    parser.add_argument("--r2", required=True)
    parser.add_argument("--truth", required=True)
    args = parser.parse_args()

    rng = random.Random(args.seed)
    _, genome = read_genome(args.genome)
    mutations = read_lineage(args.lineages, args.lineage)
    mutations += own_mutations(genome, mutations, rng)
    virus = mutate(genome, mutations)

    with Path(args.truth).open("w") as truth:
        truth.write("sample\tposition\tref\talt\n")
        for mutation in sorted(mutations):
            truth.write("\t".join(map(str, (args.sample, *mutation))) + "\n")

    pairs = round(len(virus) * args.depth / (2 * READ_LENGTH))
    # mtime=0: the files must not differ by the hour they were made.
    with (
        gzip.GzipFile(args.r1, "wb", mtime=0, compresslevel=6) as r1,
        gzip.GzipFile(args.r2, "wb", mtime=0, compresslevel=6) as r2,
    ):
        for number, fragment in enumerate(fragments(virus, pairs, rng), start=1):
            for file, strand, adapter in (
                (r1, fragment, ADAPTER_1),
                (r2, reverse_complement(fragment), ADAPTER_2),
            ):
                bases, qualities = sequence_read(strand, adapter, rng)
                file.write(f"@{args.sample}:{number}\n{bases}\n+\n{qualities}\n".encode())
    print(f"{args.sample}: {pairs} pairs of reads, {len(mutations)} mutations planted")


if __name__ == "__main__":
    main()
