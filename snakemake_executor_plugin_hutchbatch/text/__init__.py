"""Text for people: fit to be shown, without secrets, on its way to terminal and log."""
