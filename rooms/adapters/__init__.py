"""Redis behind the protocols of `rooms`."""
