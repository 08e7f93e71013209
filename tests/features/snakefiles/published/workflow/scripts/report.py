import sys

sys.stderr = sys.stdout = open(snakemake.log[0], "w")
print("begun")
with open(snakemake.params.beside + "/tmp", "w") as file:
    file.write("by hand\n")
with open(snakemake.output.out, "w") as file:
    print(snakemake.input.merged, snakemake.params.cutoff, snakemake.output[0], file=file)
    print(open("results/script/tmp").read() + open("config/config.yaml").read(), file=file)
