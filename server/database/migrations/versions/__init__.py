"""One file per step. A step never imports the current tables: it stays what it was."""
