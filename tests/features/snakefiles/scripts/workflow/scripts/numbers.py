import json

p = snakemake.params
with open(snakemake.output[0], "w") as file:
    json.dump(
        {
            "types": [type(each).__name__ for each in p],
            "array": p.array.tolist(),
            "scalar": repr(p.scalar),
            "sum": float(p.array.sum()),
            "frame": repr(p.frame),
            "nested": repr(p.nested),
            "config": repr(snakemake.config["numbers"]),
        },
        file,
    )
