"""Load: talks to a server over the wire and imports none of its packages."""
