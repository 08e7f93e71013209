"""The software of jobs beside their image: scripts, and what comes along of Snakemake."""
