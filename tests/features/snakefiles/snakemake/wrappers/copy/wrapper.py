from snakemake.shell import shell

shell("cat {snakemake.input[0]} > {snakemake.output[0]}; echo wrapped >> {snakemake.output[0]}")
