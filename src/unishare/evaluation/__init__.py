"""Benchmarks, populations of functions and statistics. Imports the product; the product never imports it (the CLI does when asked)."""
