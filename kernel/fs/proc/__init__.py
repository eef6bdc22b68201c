"""The files of /proc, by subject. Where they hang, their inodes and who may open them is `kernel.fs.procfs`.

tree      a tree of made files: names to functions that read or write them (also /sys)
access    who may look into another process (ptrace's rules), and its memory
memory    maps, smaps, statm, auxv, cmdline, environ, mem
process   status, stat, limits, io, sched and the other small ones of a process
fdinfo    what an open file tells of itself
locks     locks, and those in fdinfo
system    meminfo, cpuinfo, stat, interrupts and the other files about the machine
net       net/unix
sysctl    sys/
"""
