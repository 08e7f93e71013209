"""The embedded cloud: S3, Batch and CloudWatch Logs endpoints on loopback where jobs really run.

``cloud.LocalCloud`` is all of it; ``hutchbatch local`` (``cli/main.py``) runs a command with it.
"""
