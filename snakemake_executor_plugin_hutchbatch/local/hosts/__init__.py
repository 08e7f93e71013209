"""Where the local cloud's jobs run: processes of this machine, or containers."""
