"""Text that users see: made safe to show, secrets removed, written to terminal and log."""
