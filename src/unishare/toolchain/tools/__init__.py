"""The machine's programs that a build runs, and digests of what they read."""
