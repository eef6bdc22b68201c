"""The bodies of the system calls, by subject: they check arguments and call into the rooms."""
