"""A rehearsal: a shadow shop inside the running server, with stores of its own."""
