"""Changes to Snakemake, its S3 storage plugin and botocore while a run lasts (``table.py``)."""
