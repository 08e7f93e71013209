import json

params = snakemake.params
with open(snakemake.output[0], "w") as file:
    reported = {name: [type(value).__name__, repr(value)] for name, value in params.items()}
    json.dump({**reported, "types": [str(each) for each in params.frame.dtypes]}, file, indent=1)
