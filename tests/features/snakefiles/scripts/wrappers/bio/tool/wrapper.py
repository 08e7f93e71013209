__author__ = "us"

from snakemake.shell import shell

extra = snakemake.params.get("extra", "")
log = snakemake.log_fmt_shell(stdout=False)
shell("(cat {snakemake.input}; echo {extra} {snakemake.threads}) > {snakemake.output} {log}")
