"""Benchmarks: one command for one figure, configurations interleaved in one run (DESIGN.md, Benchmarks)."""
