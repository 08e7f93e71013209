with open(snakemake.output[0], "a") as file:
    print(snakemake.bench_iteration, file=file)
