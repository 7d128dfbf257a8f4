"""Judges what a comment may say: blocked words, contact bait, links, hidden characters."""
