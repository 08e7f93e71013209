"""Clients, credentials and calls of AWS."""
