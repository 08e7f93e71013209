snakemake@source("beside.R")
writeLines(c(word, readLines(snakemake@input[[1]])), snakemake@output[[1]])
