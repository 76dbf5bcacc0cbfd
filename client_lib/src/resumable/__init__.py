"""Workflows as code that survive."""
