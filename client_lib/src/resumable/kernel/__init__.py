"""The pure core: compile, restore, advance."""
