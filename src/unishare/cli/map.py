"""`unishare map`: the global map of address windows."""
