"""Purchases on one web worker: asked here, decided in batches by the store, told to the rooms."""
