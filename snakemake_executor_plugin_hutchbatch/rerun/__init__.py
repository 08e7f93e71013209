"""One job of a run looked into: run again here or on AWS Batch, or entered while it runs."""
