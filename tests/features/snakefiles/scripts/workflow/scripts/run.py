open(snakemake.output[0], "w").write(__file__)
