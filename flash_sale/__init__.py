"""Goods and sales: products, prices and stock. Knows nothing of rooms, sockets or JSON."""
