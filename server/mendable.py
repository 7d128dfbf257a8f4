"""What goes wrong outside of this program, and the name that a command's one line begins with."""

from __future__ import annotations

from server.database.errors import DatabaseUnavailable, UnknownSchema
from server.embedded_redis import RedisNotStarted
from server.instance_lock import InstanceRunning
from server.redis_binary import NoRedisServer
from server.redis_client import UnusableRedis
from server.worker_process import WorkerNotReady

_NAMES: dict[type[Exception], str] = {
    InstanceRunning: "ONAIR_DATA_DIR",
    NoRedisServer: "ONAIR_REDIS_URL",
    RedisNotStarted: "redis-server",
    UnusableRedis: "ONAIR_REDIS_URL",
    DatabaseUnavailable: "ONAIR_DATABASE_URL",
    UnknownSchema: "ONAIR_DATABASE_URL",
    WorkerNotReady: "worker",
}


def named(error: Exception) -> str | None:
    """The setting or the part that a user should look at; None for a bug."""
    return next((name for kind, name in _NAMES.items() if isinstance(error, kind)), None)
