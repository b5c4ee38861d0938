"""Translation between wire formats: bytes and documents in, bytes and documents out, no I/O."""
