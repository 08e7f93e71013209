writeLines("x", snakemake@output[[1]])
