"""A terminal as xterm is one: from the bytes that programs wrote to what is on its screen."""
