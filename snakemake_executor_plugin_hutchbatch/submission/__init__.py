"""The way out: equal jobs gathered, divided into arrays, sent to Batch."""
