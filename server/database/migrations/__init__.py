"""The steps that bring a database to the shape this version needs. Run by `engine.migrate`."""
