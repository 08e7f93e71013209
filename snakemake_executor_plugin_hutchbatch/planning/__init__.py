"""From a Snakemake job to a plan, and to the task that its container executes."""
