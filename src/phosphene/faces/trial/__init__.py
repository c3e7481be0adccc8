"""A trial in the terminal: what is asked, how it is answered, and what comes of it."""
