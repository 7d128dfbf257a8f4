"""Live rooms: who is there, what was said, what every viewer must see. No sockets, no JSON."""
