import json

params = snakemake.params
with open(snakemake.output[0], "w") as file:
    told = {name: [type(value).__name__, repr(value)] for name, value in params.items()}
    json.dump({**told, "types": [str(each) for each in params.frame.dtypes]}, file, indent=1)
