"""Readings of the host, without policy: what it offers, its memory, page frames, processor time."""
