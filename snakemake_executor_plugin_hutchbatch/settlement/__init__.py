"""What becomes of a job that ended or waits too long: success, retry or failure."""
