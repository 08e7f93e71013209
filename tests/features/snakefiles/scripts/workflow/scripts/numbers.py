import json

p = snakemake.params
with open(snakemake.output[0], "w") as file:
    json.dump(
        {
            "types": [type(each).__name__ for each in p],
            "array": p.array.tolist(),
            "scalar": repr(p.scalar),
            "sum": float(p.array.sum()),
        },
        file,
    )
