"""What runs cost: machines by their jobs' shares, and storage. Nothing here is a bill."""
