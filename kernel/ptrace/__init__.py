"""One task looks into another, stops it and changes it: what debuggers and strace are made of (man 2 ptrace).

link       who traces whom: attaching, inheriting, letting go, the end of a tracer
stops      the stops of a traced task, what its tracer is told of them, and going on
registers  what a tracer sees and changes of registers: pt_regs, x87 and SSE, TLS, TF

A task that nobody traces has `Task.trace` None, and that is all that is looked at on its ways.
"""
