"""The software of jobs: scripts, and what they need of Snakemake where an image has none of it."""
