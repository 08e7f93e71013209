"""Job queues: which there are, what fits them, why jobs wait in them."""
