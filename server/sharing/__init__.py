"""Sharing on a web worker: share links, visits, coupons at the till, progress and rewards."""
