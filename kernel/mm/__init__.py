"""Memory: frames, page tables, address spaces, page faults."""
