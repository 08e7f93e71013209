"""A run whose Snakemake is a job on AWS Batch itself."""
