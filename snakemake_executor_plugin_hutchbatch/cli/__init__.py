"""The command ``hutchbatch``."""
