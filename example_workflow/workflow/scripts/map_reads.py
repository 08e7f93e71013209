"""Map paired reads to a genome with `bwa mem` (its Python module, pybwa) and write BAM."""

import argparse
import shutil
import tempfile

import pysam
from pybwa import BwaIndex, BwaMem, BwaMemOptions

PAIRS_AT_ONCE = 50_000  # so many pairs of reads are in memory
MAX_FRAGMENT = 1000  # bases from end to end of what was sequenced


def batches(r1, r2):
    """The reads of both files in turn: first and second of a pair, then of the next pair."""
    batch = []
    # persist: a read must not be overwritten by the next one, as it is while streaming.
    with pysam.FastxFile(r1, persist=True) as first, pysam.FastxFile(r2, persist=True) as second:
        for read in first:
            batch += [read, next(second)]
            if len(batch) == 2 * PAIRS_AT_ONCE:
                yield batch
                batch = []
    if batch:
        yield batch


def complete(alignment, number, sample):
    """Fill in what pybwa leaves out: the sample, which end this is, and whether the pair fits."""
    alignment.set_tag("RG", sample)
    alignment.is_read1, alignment.is_read2 = number % 2 == 0, number % 2 == 1
    alignment.is_proper_pair = (
        not (alignment.is_unmapped or alignment.mate_is_unmapped)
        and alignment.is_reverse != alignment.mate_is_reverse
        and abs(alignment.template_length) <= MAX_FRAGMENT
    )


def main():
    """Map all pairs of two FASTQ files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genome", required=True)
    parser.add_argument("--sample", required=True)
    parser.add_argument("--r1", required=True)
    parser.add_argument("--r2", required=True)
    parser.add_argument("--bam", required=True)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        # bwa puts its index beside the genome: work on a copy, not among the inputs.
        genome = shutil.copy(args.genome, scratch)
        BwaIndex.index(genome)
        index = BwaIndex(genome)

    bwa = BwaMem(index=index)
    options = BwaMemOptions(interleaved_paired_end=True, threads=args.threads)
    header = index.header.to_dict()
    header["RG"] = [{"ID": args.sample, "SM": args.sample, "PL": "ILLUMINA"}]
    reads = mapped = 0
    with pysam.AlignmentFile(args.bam, "wb", header=header) as bam:
        for batch in batches(args.r1, args.r2):
            for number, alignments in enumerate(bwa.align(batch, options)):
                reads += 1
                mapped += not alignments[0].is_unmapped
                for alignment in alignments:
                    complete(alignment, number, args.sample)
                    bam.write(alignment)
    print(f"{args.sample}: {mapped} of {reads} reads mapped")


if __name__ == "__main__":
    main()
