"""The report of a rehearsal: one page in two languages, and its words."""
