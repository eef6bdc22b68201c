"""Sockets, of one family: AF_UNIX, between programs of one machine (man 7 unix).

    socket   what a socket is: made, closed, polled; room in its buffers; what is passed along and let go of
    scm      control messages: descriptors and credentials (man 3 cmsg)
    af_unix  names, connections, messages: Linux's net/unix/af_unix.c

Imports go upwards in this list, never downwards. System calls are in `kernel.syscalls.sockets`.
"""
