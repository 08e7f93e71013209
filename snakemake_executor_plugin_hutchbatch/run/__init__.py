"""One run of Snakemake: assembled, begun, finished."""
