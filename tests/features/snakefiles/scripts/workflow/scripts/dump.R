sink(snakemake@output[[1]])
for (name in c("input", "output", "params", "wildcards", "threads", "log", "resources", "config",
               "rule", "bench_iteration", "scriptdir")) {
  value <- slot(snakemake, name)
  cat(name, ":\n"); str(value)
}
cat(snakemake@input$reads, snakemake@input[["reads"]], getwd(), "\n")
snakemake@source("helper.R")
cat(helper(), Sys.getenv("OMP_NUM_THREADS"), "\n")
