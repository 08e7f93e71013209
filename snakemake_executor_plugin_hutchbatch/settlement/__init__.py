"""Decides whether a job that ended or waits too long is a success, a retry or a failure."""
