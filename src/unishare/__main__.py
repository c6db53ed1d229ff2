"""`python -m unishare`."""

from unishare.cli.entry import main

main()
