"""Rules that compare keys with one another or with the world; check.py has the list of them."""
