with open(snakemake.output[0], "w") as file:
    print(
        open(snakemake.input[0]).read().strip(),
        repr(snakemake.params.word),
        repr(snakemake.config["number"]),
        file=file,
    )
for log in snakemake.log:
    open(log, "w").write("logged")
