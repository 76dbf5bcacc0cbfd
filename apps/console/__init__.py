"""What an operator sees in the admin."""
