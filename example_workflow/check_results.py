"""Check a finished run: were exactly the planted mutations found, and is every patient reported?

    python check_results.py DIR

DIR is the folder in which the run's `results/` lies: this one after a plain `snakemake`, the
bucket's folder under `.hutchbatch-local/` after `hutchbatch local`, or a copy of what lies in S3.
"""

import csv
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The report's chapters; each shows all patients.
CHAPTERS = ("spike", "coverage", "bcftools", "samtools", "cutadapt")


def read_table(path):
    """The rows of a tab-separated file as dictionaries."""
    if not path.is_file():
        raise SystemExit(f"{path} is missing: the run is not finished, or DIR is not its folder.")
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def mutations(rows, sample):
    """A sample's mutations as a set of (position, ref, alt)."""
    return {
        (int(row["position"]), row["ref"], row["alt"]) for row in rows if row["sample"] == sample
    }


def describe(some):
    """Mutations for a sentence: C241T, A23403G."""
    return ", ".join(f"{ref}{position}{alt}" for position, ref, alt in sorted(some))


def problems(results, samples):
    """Everything that is wrong, one sentence each."""
    found = read_table(results / "variants.tsv")
    for sample in samples:
        planted = mutations(read_table(results / "truth" / f"{sample}.tsv"), sample)
        called = mutations(found, sample)
        if not planted:
            yield f"{sample}: no mutations were planted."
        if planted - called:
            yield f"{sample}: planted, but not found: {describe(planted - called)}."
        if called - planted:
            yield f"{sample}: found, but not planted: {describe(called - planted)}."

    report = results / "multiqc_report.html"
    if not report.is_file():
        yield f"{report} is missing."
        return
    page = report.read_text()
    for sample in samples:
        if f">{sample}<" not in page and f'"{sample}"' not in page:
            yield f"The report does not mention {sample}."
    for chapter in CHAPTERS:
        if f'id="mqc-module-section-{chapter}"' not in page:
            yield f"The report has no chapter '{chapter}'."


def main():
    """Say what is wrong and exit with 1, or say that all is well."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    samples = [row["sample"] for row in read_table(HERE / "config" / "samples.tsv")]
    wrong = list(problems(Path(sys.argv[1]) / "results", samples))
    if wrong:
        raise SystemExit("\n".join(wrong))
    print(f"All planted mutations of {len(samples)} patients were found, and nothing else.")


if __name__ == "__main__":
    main()
