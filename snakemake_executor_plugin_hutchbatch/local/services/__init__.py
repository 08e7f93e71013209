"""The local cloud's endpoints beside Batch: S3, logs, identity, and faults."""
