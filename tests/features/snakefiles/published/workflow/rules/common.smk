with open(config["samples"]) as sheet:
    UNITS = [(row["sample"], row["unit"]) for row in csv.DictReader(sheet, delimiter="\t")]
SAMPLES = sorted({sample for sample, _ in UNITS})

wildcard_constraints:
    sample="|".join(SAMPLES),


def units_of(wildcards):
    return expand(
        "results/units/{sample}-{unit}.txt",
        unit=[unit for sample, unit in UNITS if sample == wildcards.sample],
        **wildcards,
    )


def trimmed(wildcards):
    return {"merged": "results/merged/{sample}.txt".format(**wildcards)}
