"""The embedded cloud: S3, Batch and CloudWatch Logs endpoints on loopback where jobs really run."""
