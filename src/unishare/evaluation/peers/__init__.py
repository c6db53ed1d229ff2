"""What else a function could run in: programs that answer a line with a line, one process each."""
