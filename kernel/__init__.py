"""A Linux: what a kernel textbook describes. Knows no screen, no file of the host, no clock of the host."""
