"""The oracle: the same ELF runs natively on the host's kernel and in int80, and the two are compared."""
