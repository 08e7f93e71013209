"""Changes to Snakemake and its S3 storage plugin while a run lasts."""
