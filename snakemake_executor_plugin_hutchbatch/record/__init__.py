"""The record of runs on disk (SQLite): its form, its file, what is written and read."""
