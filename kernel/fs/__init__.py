"""The file side: what has a descriptor or a path.

    names        bytes of a path and text, one for one
    iov          user memory as a call moves through it
    hostfs       what came with directories of the host, at first touch
    ramfs        inodes, directories, regular files in the page cache
    devfs        /dev: null, zero, full, random, the terminals
    procfs       /proc, made from the tables when looked at; what its files say is in proc/
    sysfs        /sys, in outline
    pipe         pipes and named pipes
    n_tty, tty   the line discipline, and the terminal around it
    stream       what the host gave as standard input, output, error
    files        open files and descriptor tables
    vfs          from a path to an inode; who may what
    mounts       file systems and where they are
    directory    names made, removed, moved
    operations   which of the rooms above serves an open file
    opening      open(2)
    setup        the root file system, files from outside, descriptors 0-2

Imports go upwards in this list, never downwards. System calls are in `kernel.syscalls`.
"""
