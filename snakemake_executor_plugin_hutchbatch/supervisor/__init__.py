"""The process that owns a job's end inside the container: stage in, run, stage out, status."""
