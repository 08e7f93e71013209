"""What S3 holds."""
