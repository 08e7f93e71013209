"""Jobs that killed runs left behind: found, and taken over or ended."""
