"""Call the differences from the reference with bcftools (its Python module, pysam.bcftools)."""

import argparse
import shutil
import tempfile
from pathlib import Path

import pysam
from pysam import bcftools


def main():
    """`bcftools mpileup | call | norm | filter`, then `bcftools stats`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genome", required=True)
    parser.add_argument("--bam", required=True)
    parser.add_argument("--vcf", required=True)
    parser.add_argument("--stats", required=True)
    parser.add_argument("--min-depth", type=int, required=True)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        # samtools puts its index beside the genome: work on a copy, not among the inputs.
        genome = shutil.copy(args.genome, scratch)
        pysam.faidx(genome)
        pileup, calls, normal = (str(Path(scratch, name)) for name in ("1.bcf", "2.bcf", "3.bcf"))

        bcftools.mpileup(
            *("--fasta-ref", genome, "--max-depth", "2000", "--annotate", "FORMAT/AD"),
            *("--output-type", "b", "--output", pileup, args.bam),
            catch_stdout=False,
        )
        # A virus has one copy of each gene; -m calls, -v keeps what differs.
        bcftools.call(
            *("--ploidy", "1", "-mv", "-Ob", "-o", calls, pileup),
            catch_stdout=False,
        )
        bcftools.norm("--fasta-ref", genome, "-Ob", "-o", normal, calls, catch_stdout=False)
        bcftools.view(
            *("--include", f"QUAL>=20 && INFO/DP>={args.min_depth}"),
            *("-Oz", "-o", args.vcf, normal),
            catch_stdout=False,
        )
        Path(args.stats).write_text(bcftools.stats("--fasta-ref", genome, args.vcf))


if __name__ == "__main__":
    main()
