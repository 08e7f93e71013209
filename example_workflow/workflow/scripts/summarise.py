"""One table of all variants, and what MultiQC shows of them.

A `script:` rule: this file is handed `snakemake`, with the rule's input, output, params and so on.
Only Python's own library is needed, so any image that has Python will do.
"""

import csv
import gzip
import json
import re
from pathlib import Path

BASES = "TCAG"
AMINO_ACIDS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
CODON_TABLE = {
    first + second + third: AMINO_ACIDS[16 * i + 4 * j + k]
    for i, first in enumerate(BASES)
    for j, second in enumerate(BASES)
    for k, third in enumerate(BASES)
}


def read_table(path):
    """The rows of a tab-separated file as dictionaries."""
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def read_vcf(path):
    """The variants of one sample: position, ref, alt, depth and how many reads carry it."""
    variants = []
    with gzip.open(path, "rt") as file:
        for line in file:
            if line.startswith("#"):
                continue
            _, position, _, ref, alt, _, _, info, keys, values, *_ = line.rstrip("\n").split("\t")
            info = dict(item.partition("=")[::2] for item in info.split(";"))
            call = dict(zip(keys.split(":"), values.split(":"), strict=True))
            # AD counts the reads that surely show one or the other, DP all that lie there.
            ref_reads, alt_reads = map(int, call["AD"].split(","))
            variants.append(
                {
                    "position": int(position),
                    "ref": ref,
                    "alt": alt,
                    "depth": int(info["DP"]),
                    "fraction": alt_reads / (ref_reads + alt_reads),
                }
            )
    return variants


def translate(bases):
    """The amino acids that whole codons stand for."""
    return "".join(CODON_TABLE[bases[i : i + 3]] for i in range(0, len(bases), 3))


def protein_change(variant, gene, genome, substitutions):
    """What a variant does to a gene's protein, as virologists write it: N501Y, 69_70del."""
    position, ref, alt = variant["position"], variant["ref"], variant["alt"]
    first, last = ((p - gene["start"]) // 3 for p in (position, position + len(ref) - 1))
    codons = range(gene["start"] + 3 * first, gene["start"] + 3 * (last + 1))
    # Neighbouring substitutions may share a codon: all of them count.
    bases = {p: substitutions.get(p, genome[p - 1]) for p in codons}
    bases.update(dict.fromkeys(range(position, position + len(ref)), ""))
    bases[position] = alt
    changed = "".join(bases.values())
    number = first + 1
    if len(changed) % 3:
        return f"{number}fs"  # the frame shifts: everything after is different
    before, after = translate("".join(genome[p - 1] for p in codons)), translate(changed)
    if before == after:
        return f"{before}{number}{after}"  # silent
    while before and after and before[0] == after[0]:
        before, after, number = before[1:], after[1:], number + 1
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    if not before:
        return f"{number - 1}_{number}ins{after}"
    if not after:
        end = number + len(before) - 1
        return f"{number}del" if end == number else f"{number}_{end}del"
    return f"{before}{number}{after}"


def annotate(variants, genes, genome):
    """Give each variant its gene and what it does there."""
    substitutions = {v["position"]: v["alt"] for v in variants if len(v["ref"]) == len(v["alt"])}
    for v in variants:
        # The base before an insertion or deletion is the same in both: the next one counts.
        place = v["position"] + (len(v["ref"]) != len(v["alt"]))
        gene = next((g for g in genes if g["start"] <= place <= g["end"]), None)
        if gene:
            v["gene"], v["change"] = gene["gene"], protein_change(v, gene, genome, substitutions)
        else:
            v["gene"], v["change"] = "-", f"{v['ref']}{v['position']}{v['alt']}"


def closest_lineage(variants, lineages):
    """The lineage whose mutations are most like those found: shared ones of all there are."""
    found = {(v["position"], v["ref"], v["alt"]) for v in variants}
    likeness = {name: len(found & m) / len(found | m) for name, m in lineages.items()}
    best = max(likeness, key=likeness.get)
    return best, len(found & lineages[best]), len(lineages[best])


def write_table(path, calls):
    """All variants of all samples, one a line."""
    columns = ["sample", "position", "ref", "alt", "gene", "change", "depth", "fraction"]
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        for sample, variants in calls.items():
            for v in variants:
                row = {**v, "sample": sample, "fraction": f"{v['fraction']:.3f}"}
                writer.writerow([row[column] for column in columns])


def write_section(path, **content):
    """A part of the report: MultiQC shows "custom content" files as they themselves say."""
    Path(path).write_text(json.dumps(content, indent=1))


def write_lineages(path, summary):
    """Columns of the report's first table."""
    write_section(
        path,
        id="lineage",
        plot_type="generalstats",
        pconfig=[
            {"lineage": {"title": "Closest lineage", "scale": False}},
            {"markers": {"title": "Its mutations found", "scale": False}},
        ],
        data=summary,
    )


def write_spike(path, calls):
    """A heatmap: one column for each change of the spike protein that any sample has."""
    fractions = {sample: {} for sample in calls}
    positions = {}
    for sample, variants in calls.items():
        for v in variants:
            silent = re.fullmatch(r"(\D)\d+\1", v["change"])  # D1146D
            if v["gene"] == "S" and not silent:
                positions[v["change"]] = v["position"]
                fractions[sample][v["change"]] = v["fraction"]
    in_order = sorted(positions, key=positions.get)
    write_section(
        path,
        id="spike",
        section_name="Spike protein",
        description="Changes of the spike protein: the fraction of reads that show each.",
        plot_type="heatmap",
        pconfig={
            "id": "spike_heatmap",
            "title": "Spike protein: changes found",
            "min": 0,
            "max": 1,
            "square": False,
            "cluster_rows": False,
            "cluster_cols": False,
            "xcats_samples": False,
            "display_values": False,
            "colstops": [[0, "#f7f7f7"], [1, "#b2182b"]],
        },
        data={
            sample: {change: found.get(change, 0) for change in in_order}
            for sample, found in fractions.items()
        },
    )


def write_coverage(path, tables):
    """A curve for each sample, from the tables that sort_alignments made."""
    write_section(
        path,
        id="coverage",
        section_name="Coverage",
        description="Mean number of reads over each 100 bases of the genome.",
        plot_type="linegraph",
        pconfig={
            "id": "coverage_curve",
            "title": "Coverage: along the genome",
            "xlab": "Position",
            "ylab": "Reads",
        },
        data={
            sample: [[int(row["position"]), float(row["depth"])] for row in read_table(table)]
            for sample, table in tables.items()
        },
    )


def main(snakemake):
    """Read the calls of all samples; write the table and the report's own sections."""
    samples = snakemake.params.samples
    genome = "".join(Path(snakemake.input.genome).read_text().splitlines()[1:])
    genes = [
        {"gene": row["gene"], "start": int(row["start"]), "end": int(row["end"])}
        for row in read_table(snakemake.input.genes)
    ]
    lineages = {}
    for row in read_table(snakemake.input.lineages):
        mutation = (int(row["position"]), row["ref"], row["alt"])
        lineages.setdefault(row["lineage"], set()).add(mutation)

    calls, summary, sentences = {}, {}, []
    for sample, vcf in zip(samples, snakemake.input.vcfs, strict=True):
        calls[sample] = variants = read_vcf(vcf)
        annotate(variants, genes, genome)
        lineage, shared, total = closest_lineage(variants, lineages)
        markers = f"{shared} of {total}"
        summary[sample] = {"lineage": lineage, "markers": markers}
        sentences.append(f"{sample}: {len(variants)} variants, most like {lineage} ({markers})\n")

    write_table(snakemake.output.table, calls)
    write_lineages(snakemake.output.lineages, summary)
    write_spike(snakemake.output.spike, calls)
    coverage = dict(zip(samples, snakemake.input.coverage, strict=True))
    write_coverage(snakemake.output.coverage, coverage)
    Path(snakemake.log[0]).write_text("".join(sentences))


main(snakemake)
