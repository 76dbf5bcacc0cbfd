"""Services, their keys, and the signals that may be pushed."""
