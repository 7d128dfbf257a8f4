"""The HTTP API: JSON in, JSON out, every error in one shape, documented at /docs."""

from server.api.app import build_api
from server.api.services import Services

__all__ = ["Services", "build_api"]
