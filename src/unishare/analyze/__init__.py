"""Looking at images and the pool: what shares what, and what spoils it."""
