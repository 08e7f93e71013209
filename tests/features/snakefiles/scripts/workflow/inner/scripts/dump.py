import json

with open(snakemake.output[0], "w") as file:
    json.dump(
        {"config": snakemake.config, "dir": snakemake.scriptdir, "rule": snakemake.rule}, file
    )
