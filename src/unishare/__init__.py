"""unishare: unikernels that share equal pages."""
