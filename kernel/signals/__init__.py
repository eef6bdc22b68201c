"""Signals: who has which pending and blocked (`state`), what happens to them on the way back to user mode
(`delivery`), and what a handler finds on its stack (`frame`, `fpstate`).

The system calls about them are in `kernel/syscalls/signals.py`, the numbers in `kernel/abi/signal.py`.
"""
