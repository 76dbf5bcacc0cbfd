"""What the engine does, a verb a module."""
