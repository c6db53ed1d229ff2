"""Populations: many different function projects, written from a seed, with the answers that they must give."""
