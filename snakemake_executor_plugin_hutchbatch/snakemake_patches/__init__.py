"""Changes to Snakemake, its S3 storage plugin and botocore during a run (``table.py``)."""
