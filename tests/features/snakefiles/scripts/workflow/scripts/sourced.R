source(file.path(snakemake@scriptdir, "helper.R"))
writeLines(helper(), snakemake@output[[1]])
