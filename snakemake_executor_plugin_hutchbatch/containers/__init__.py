"""Container engines of this machine, and a Python that runs in any glibc image."""
