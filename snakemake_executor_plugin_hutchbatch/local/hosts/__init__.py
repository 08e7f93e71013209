"""Runs the local cloud's jobs as processes of this machine, or in containers."""
