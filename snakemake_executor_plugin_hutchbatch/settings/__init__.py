"""Settings and per-rule resources, and how their values are read."""
