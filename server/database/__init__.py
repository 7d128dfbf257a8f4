"""The SQL side: what must still be true tomorrow. SQLite by default, PostgreSQL by URL."""
