"""Communication between processes that is neither a file nor a socket."""
