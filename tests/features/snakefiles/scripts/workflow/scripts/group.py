with open(snakemake.input[0]) as read, open(snakemake.output[0], "w") as file:
    file.write(read.read() + snakemake.rule + "\n")
