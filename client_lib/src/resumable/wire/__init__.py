"""What travels between a service and the engine: signatures, bodies, schemas. No I/O."""
