import csv

with open(config["samples"], newline="") as table:
    SAMPLES = {row["sample"]: row for row in csv.DictReader(table, delimiter="\t")}


wildcard_constraints:
    sample="|".join(SAMPLES),
