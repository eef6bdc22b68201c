"""The x86: what a hardware manual describes, and nothing of what runs on it.

Unicorn executes the instructions; this floor adds what Unicorn leaves out (the way through the
IDT, the clock, interrupts at reproducible places) and tells what it did as events on a bus.
Imports nothing from `kernel` or `app`.
"""
