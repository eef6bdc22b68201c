"""Numbers and layouts of the i386 Linux interface: what user programs were compiled against."""
