"""Sharing with rewards: links, where visits come from, valid arrivals, ladders. No I/O."""
