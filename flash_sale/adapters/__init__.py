"""The store of sales on Redis: one Lua script per transition, all keys of a sale in one slot."""
