"""Every setting and every limit of the server, with its unit in its name.

Read once from the environment at start; a bad value stops the start and names the variable.
Nothing else in the project reads the environment.
"""

from __future__ import annotations

import ipaddress
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from server import setting_values as read

SECRET_BYTES_MIN = 32
REDIS_SCHEMES = ("redis", "rediss", "redis+sentinel", "redis+cluster")
DATABASE_SCHEMES = ("sqlite", "postgresql")
DURABILITIES = ("always", "everysec", "replicated")
PAYMENT_PROVIDERS = ("none", "demo", "webhook")


class BadSetting(Exception):
    """A setting is missing or has a bad value; the text names the variable and says why."""

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(f"{variable}: {why}")
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of every queue, body, list and wait. Each can be set as ONAIR_<NAME IN CAPITALS>."""

    # one connection
    message_bytes_max: int = 65_536
    viewer_buffer_bytes_max: int = 524_288
    pulse_skip_bytes: int = 65_536
    unsent_bytes_max: int = 131_072
    viewer_backlog_commands_max: int = 64
    commands_per_s: int = 40
    commands_burst: int = 120
    commands_per_turn: int = 32
    turn_bytes_max: int = 4_096  # of what needs the full parser of frames
    closing_bytes_max: int = 131_072
    errors_per_s: int = 2
    errors_burst: int = 200
    channels_per_viewer_max: int = 16
    connect_within_s: int = 12
    ping_interval_s: int = 25
    pong_within_s: int = 8
    close_within_s: int = 5
    expired_token_grace_s: int = 25
    compress_bytes_min: int = 256
    # accepting connections
    viewers_max: int = 0  # 0: what the open-file limit allows
    accepts_per_s: int = 3_000
    accepts_per_turn_max: int = 16
    accepts_per_address_per_s: int = 200
    missed_cache_bytes_max: int = 4_194_304
    drain_ready_s: int = 0
    drain_seconds: int = 10
    # one room
    history_events_max: int = 1_000
    history_reply_events_max: int = 300
    join_comments_max: int = 50
    presence_clients_max: int = 200
    room_idle_unload_s: int = 60
    rooms_loaded_max: int = 2_000
    outbox_events_max: int = 2_000
    outbox_comments_max: int = 1_000
    batch_events_max: int = 256
    append_gap_ms: int = 20
    append_within_s: int = 8
    tick_ms_max: int = 250
    fanout_loop_percent: int = 30
    fanout_burst_ms: int = 40
    fanout_slice_viewers: int = 500
    fanout_slice_ms: int = 5
    pulse_interval_ms: int = 500
    vitals_interval_s: int = 3
    chat_per_s: int = 40
    chat_burst: int = 80
    chat_buyers_percent: int = 25
    chat_buyers_ms: int = 2_000
    chat_overlooked_ms: int = 10_000
    buyer_rank_s: int = 3_600
    buyers_per_room_max: int = 100_000
    # one person
    text_chars_max: int = 200
    reason_chars_max: int = 200
    notice_chars_max: int = 300
    name_chars_max: int = 24
    comment_interval_ms: int = 1_000
    comment_burst: int = 5
    slow_seconds_max: int = 120
    mute_seconds_max: int = 31_536_000
    user_commands_per_s: int = 80
    user_commands_burst: int = 240
    likes_per_s: int = 50
    likes_burst: int = 100
    # one sale
    skus_per_sale_max: int = 50
    basket_lines_max: int = 10
    request_id_chars_max: int = 64
    orders_waiting_max: int = 10_000
    batch_orders_max: int = 256
    decide_within_s: int = 8
    waitlist_max: int = 10_000
    orders_per_buyer_max: int = 1_000
    refusals_kept_s: int = 3_600
    refusals_kept_max: int = 200_000
    order_marks_max: int = 1_000_000
    hold_seconds_max: int = 86_400
    countdown_seconds_max: int = 3_600
    payment_grace_ms: int = 3_000
    settled_sale_kept_s: int = 7_776_000  # 90 days
    sales_loaded_max: int = 1_000
    orders_ticker_ms: int = 2_000
    orders_listed_max: int = 100
    # ledger and payments
    sweep_interval_ms: int = 200
    sweep_holds_max: int = 200
    audit_interval_s: int = 5
    ledger_entries_max: int = 64
    ledger_idle_ms: int = 50
    ledger_claim_idle_s: int = 30
    ledger_poison_attempts_max: int = 3
    webhook_tolerance_s: int = 300
    refund_attempts_max: int = 20
    export_rows_max: int = 5_000_000
    # visits and sharing
    visit_events_max: int = 50
    visit_pieces_waiting_max: int = 20_000
    visit_batch_pieces_max: int = 512
    visit_backlog_entries_max: int = 200_000
    visit_beat_gap_ms: int = 20_000
    visit_idle_s: int = 600
    visit_retention_days: int = 90
    campaigns_new_per_day_max: int = 200
    links_per_user_max: int = 200
    links_remembered_max: int = 10_000
    inviter_protected_days: int = 30
    arrival_stay_s: int = 60
    arrival_settle_s: int = 60
    arrival_actions: int = 1
    first_action_after_ms: int = 1_000
    persons_per_device_max: int = 1
    arrivals_per_net_max: int = 3
    arrivals_per_agent_max: int = 2
    own_browser_max: int = 0
    cluster_window_ms: int = 86_400_000  # a day
    ladders_per_room_max: int = 20
    reward_shares_max: int = 100_000
    reward_open_days: int = 7
    ranking_rows_max: int = 100
    # coupons and commissions
    coupons_per_order_max: int = 3
    coupons_per_user_max: int = 100
    coupon_claims_waiting_max: int = 10_000
    coupon_claim_lapses_s: int = 120
    commission_window_days: int = 7
    # HTTP
    request_within_s: int = 20
    head_bytes_max: int = 32_768
    body_bytes_max: int = 262_144
    shelf_products_max: int = 100
    skus_per_product_max: int = 50
    page_rows_max: int = 100
    guests_per_address_per_min: int = 30
    broadcast_channels_max: int = 100
    token_ttl_s_max: int = 31_536_000
    # rehearsals
    rehearsal_open_within_s: int = 60
    rehearsal_spare_percent: int = 10
    rehearsal_disk_free_bytes_min: int = 268_435_456
    rehearsal_tokens_max: int = 5_000
    rehearsal_progress_bytes_max: int = 16_384
    rehearsal_silent_s: int = 300
    rehearsal_report_bytes_max: int = 4_194_304
    rehearsal_reports_kept: int = 100
    rehearsal_link_s: int = 3_600
    # storage
    database_threads_max: int = 4
    database_within_s: int = 10
    redis_within_ms: int = 1_000
    replicas_confirm: int = 1
    redis_start_within_s: int = 20

    @property
    def part_lapses_ms(self) -> int:
        """A web worker that has reported nothing for so long is dead: nobody on it counts."""
        return self.vitals_interval_s * 3_500  # three reports may be late or lost

    @property
    def web_worker_ends_within_s(self) -> int:
        """How long a web worker may take to end in order: no longer being sent people, closing
        them in waves, answering what was asked, hanging up."""
        waves_s = self.drain_ready_s + self.drain_seconds
        return waves_s + self.decide_within_s + self.close_within_s

    @property
    def ledger_worker_ends_within_s(self) -> int:
        """The same of a ledger worker, which writes what the streams hold."""
        return self.drain_seconds + self.close_within_s


@dataclass(frozen=True, slots=True)
class Settings:
    """One server's configuration. Build it with `from_env`; tests may construct it directly."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    data_dir: Path = Path(".onair")
    redis_url: str | None = None  # absent: embedded
    database_url: str | None = None  # absent: SQLite in the data directory
    token_secret: str = ""
    token_jwks: str | None = None  # file or https URL with the public keys of RS256/ES256 tokens
    api_key: str = ""
    durability: str = "always"
    ledger_workers: int = 1
    payment_provider: str = "none"
    payment_secret: str = ""  # signs webhooks of the provider, and our refund requests to it
    payment_refund_url: str = ""
    allowed_origins: tuple[str, ...] = ()  # beside the server's own origin
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    insecure: bool = False
    guests_may_speak: bool = False
    brand_name: str = "Live"
    brand_color: str = "#e5383b"
    brand_logo_url: str = ""
    log_level: str = "info"
    blocked_words_file: Path | None = None
    share_secret: str = ""  # signs share codes; absent: a key made from the token secret
    public_url: str = ""  # where people open the pages; absent: where they are just now
    channel_policies_file: Path | None = None
    rehearsal_redis_url: str | None = None  # absent: embedded, where the shop's is
    rehearsal_database_url: str | None = None  # absent: SQLite, where the shop's is
    rehearsal_drills: bool = False
    rehearsal: str = ""  # the run whose shadow shop this is; no variable: the server sets it
    base_path: str = ""  # what the paths of this shop begin with; no variable either
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read all `ONAIR_*` variables; `BadSetting` names the first one that is wrong.

        An unknown `ONAIR_*` variable is an error too: a misspelt limit must not be silent.
        """
        settings = cls()
        known_limits = {spec.name for spec in fields(Limits)}
        for variable, text in sorted(environ.items()):
            if not variable.startswith("ONAIR_"):
                continue
            name = variable.removeprefix("ONAIR_").lower()
            if name in known_limits:
                value = _read(variable, text, _limit(name))
                settings = replace(settings, limits=replace(settings.limits, **{name: value}))
            elif name in _PARSERS:
                settings = replace(settings, **{name: _read(variable, text, _PARSERS[name])})
            else:
                raise BadSetting(variable, "is not a setting of this server")
        settings._check_together()
        return settings

    def _check_together(self) -> None:
        if self.insecure and not is_loopback(self.host):
            raise BadSetting("ONAIR_INSECURE", f"refused: host {self.host} is not loopback")
        if self.limits.pong_within_s >= self.limits.ping_interval_s:
            raise BadSetting("ONAIR_PONG_WITHIN_S", "must be below ONAIR_PING_INTERVAL_S")
        if self.limits.pulse_skip_bytes >= self.limits.viewer_buffer_bytes_max:
            raise BadSetting(
                "ONAIR_PULSE_SKIP_BYTES", "must be below ONAIR_VIEWER_BUFFER_BYTES_MAX"
            )
        for name in ("redis_url", "database_url"):
            given = getattr(self, f"rehearsal_{name}")
            if given is not None and given == getattr(self, name):
                variable = f"ONAIR_{name.upper()}"
                raise BadSetting(f"ONAIR_REHEARSAL_{name.upper()}", f"must differ from {variable}")

    def check_secrets(self) -> None:
        """Raise `BadSetting` unless both secrets are set and strong enough to serve with."""
        if not self.token_secret and not self.token_jwks:
            raise BadSetting("ONAIR_TOKEN_SECRET", "is missing; tokens cannot be verified")
        for variable, secret in (
            ("ONAIR_TOKEN_SECRET", self.token_secret),
            ("ONAIR_API_KEY", self.api_key),
        ):
            if variable == "ONAIR_TOKEN_SECRET" and not secret:
                continue
            if len(secret.encode()) < SECRET_BYTES_MIN:
                raise BadSetting(variable, f"is weak: give at least {SECRET_BYTES_MIN} bytes")
            if len(set(secret)) < 8:
                raise BadSetting(variable, "is weak: too few different characters")
        if self.share_secret and len(self.share_secret.encode()) < SECRET_BYTES_MIN:
            raise BadSetting(
                "ONAIR_SHARE_SECRET", f"is weak: give at least {SECRET_BYTES_MIN} bytes"
            )
        if self.payment_provider == "webhook" and len(self.payment_secret.encode()) < 32:
            raise BadSetting("ONAIR_PAYMENT_SECRET", "is weak: give at least 32 bytes")

    @property
    def webhook_secret(self) -> str:
        """What signs the messages of the payment provider; empty: none are believed."""
        takes_them = self.payment_provider == "webhook" or self.rehearsal
        return self.payment_secret if takes_them else ""

    @property
    def viewers_max(self) -> int:
        """How many connections one worker takes: the setting, or what open files allow."""
        soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        room_for_viewers = max(64, soft - 256)
        return min(self.limits.viewers_max or room_for_viewers, room_for_viewers)


# A script answers for a whole batch at once; beyond about 2,600 payments it cannot any more.
_MOST = {
    "batch_orders_max": 1_000,
    "skus_per_sale_max": 1_000,
    "request_id_chars_max": 255,
    "coupons_per_order_max": 8,
    "rehearsal_spare_percent": 100,
    "chat_buyers_percent": 100,
}


_MAY_BE_ZERO = {
    "chat_buyers_percent",
    "viewers_max",
    "drain_ready_s",
    "arrival_actions",
    "arrival_settle_s",
    "first_action_after_ms",
    "own_browser_max",
}


def _limit(name: str) -> Callable[[str], int]:
    least, most = 0 if name in _MAY_BE_ZERO else 1, _MOST.get(name)
    return lambda text: read.whole_number(text, least=least, most=most)


def _read(variable: str, text: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise BadSetting(variable, str(error)) from None


def is_loopback(host: str) -> bool:
    """True for a name or address that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_PARSERS: dict[str, Callable[[str], Any]] = {
    "host": read.text,
    "port": read.port,
    "workers": read.workers,
    "data_dir": read.path,
    "redis_url": read.url(*REDIS_SCHEMES),
    "database_url": read.url(*DATABASE_SCHEMES),
    "token_secret": read.text,
    "token_jwks": read.text,
    "api_key": read.text,
    "durability": read.one_of(*DURABILITIES),
    "ledger_workers": read.workers,
    "payment_provider": read.one_of(*PAYMENT_PROVIDERS),
    "payment_secret": read.text,
    "payment_refund_url": read.web_address,
    "allowed_origins": read.origins,
    "trusted_proxies": read.addresses,
    "insecure": read.yes_or_no,
    "guests_may_speak": read.yes_or_no,
    "brand_name": read.text,
    "brand_color": read.color,
    "brand_logo_url": read.web_address,
    "log_level": read.one_of("debug", "info", "warning", "error"),
    "blocked_words_file": read.path,
    "share_secret": read.text,
    "public_url": read.site,
    "channel_policies_file": read.path,
    "rehearsal_redis_url": read.url(*REDIS_SCHEMES),
    "rehearsal_database_url": read.url(*DATABASE_SCHEMES),
    "rehearsal_drills": read.yes_or_no,
}
