"""The local cloud: S3, Batch and CloudWatch Logs endpoints on loopback whose jobs really run.

``cloud.LocalCloud`` combines them; ``hutchbatch local`` (``cli/main.py``) runs a command with it.
"""
