"""The shell: the only package that knows HTTP, WebSocket, JSON, SQL and processes."""
