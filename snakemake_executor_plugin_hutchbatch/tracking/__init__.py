"""Live jobs, and when AWS is asked about them."""
