"""The floor `cpu/` alone: no kernel, a bare machine whose handlers only stop."""
