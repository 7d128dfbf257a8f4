"""The ledger workers: what happened to orders in the store becomes rows in SQL."""
