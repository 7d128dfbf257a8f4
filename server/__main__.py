"""The command line: `onair serve`, `demo`, `token`, `key`, `rehearse`, `reconcile` and more.

Errors that a user can mend are one line, `onair: NAME: why`, and exit code 1; a wrong command line
is 2. Only a bug shows a traceback.

What a command needs is imported when it runs: the server's parts take seconds to import on a small
machine, and scripts call `onair token` often. `tests/unit/test_cli_imports.py` counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence

from server import secrets_file
from server.settings import BadSetting, Settings
from server.tools.options import add_commands

ROLES = ("viewer", "moderator", "host", "merchant")
TOKEN_TTL_S = 24 * 3600

_SETTINGS_HELP = """\
Settings are environment variables; a bad one stops the start with its name. The main ones:
  ONAIR_HOST (127.0.0.1)  ONAIR_PORT (8000)  ONAIR_WORKERS (1)  ONAIR_DATA_DIR (.onair)
  ONAIR_TOKEN_SECRET  ONAIR_API_KEY  ONAIR_REDIS_URL (absent: one is started here)
  ONAIR_DATABASE_URL (absent: SQLite in the data directory)  ONAIR_ALLOWED_ORIGINS
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["rehearse"]:  # its options are its own
        _rehearse(given[1:])
        return _complain("rehearse: this installation has no load generator")
    options = _parser().parse_args(given)
    try:
        code: int = options.run(options, dict(os.environ))
    except BadSetting as error:
        return _complain(str(error))
    except KeyboardInterrupt:  # Ctrl-C before the server listens to it
        return 130
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        from server.mendable import named

        variable = named(error)
        if variable is None:
            raise
        return _complain(f"{variable}: {error}")
    return code


def _complain(text: str) -> int:
    print(f"onair: {' '.join(text.split())}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onair",
        description="A live-stream selling server.",
        epilog=_SETTINGS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, summary: str, more: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.{more}",
            epilog=_SETTINGS_HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    serve = command(
        "serve",
        "run the server until Ctrl-C or SIGTERM",
        "\n\nRefuses to start without a strong ONAIR_TOKEN_SECRET and ONAIR_API_KEY.",
    )
    serve.set_defaults(run=_serve)

    show = command(
        "demo",
        "run the server with a room, products, a flash sale and secrets made for you",
        "\n\nGuests may speak, and no real money is paid. The secrets stay in the data directory."
        " Not for a real shop.",
    )
    show.set_defaults(run=_demo)

    token = command("token", "print a token (JWT) for one person, and nothing else")
    token.add_argument("--user", required=True, help="the person's id")
    token.add_argument("--role", choices=ROLES, default="viewer", help="default: viewer")
    token.add_argument(
        "--room",
        action="append",
        required=True,
        metavar="ROOM",
        help='a room the role holds in; repeat it for more, or "*" for all',
    )
    token.add_argument("--name", help="the name others see; default: the id")
    token.add_argument(
        "--ttl",
        type=int,
        default=TOKEN_TTL_S,
        metavar="SECONDS",
        help=f"how long the token is good; default: {TOKEN_TTL_S}",
    )
    token.set_defaults(run=_token)

    key = command("key", "print the key for server-to-server calls (X-API-Key), and nothing else")
    key.set_defaults(run=_key)

    command("rehearse", "rehearse the big day: the load, the books, and GO or NO-GO with proof")

    add_commands(command)
    return parser


def _serve(_options: argparse.Namespace, environ: dict[str, str]) -> int:
    from server import serving

    serving.serve(environ)
    return 0


def _demo(_options: argparse.Namespace, environ: dict[str, str]) -> int:
    from server import serving

    serving.demo(environ)
    return 0


def _token(options: argparse.Namespace, environ: dict[str, str]) -> int:
    from server.tokens import Tokens

    settings = _settings_with_kept_secrets(environ)
    if not settings.token_secret:
        raise BadSetting("ONAIR_TOKEN_SECRET", _missing("token secret", settings))
    if options.ttl > settings.limits.token_ttl_s_max:
        return _complain(f"--ttl: at most {settings.limits.token_ttl_s_max} seconds")
    try:
        tokens = Tokens(settings.token_secret)
    except ValueError as error:
        raise BadSetting("ONAIR_TOKEN_SECRET", str(error)) from None
    name = options.user if options.name is None else options.name
    try:
        print(tokens.issue(options.user, options.role, options.room, name, options.ttl))
    except ValueError as error:
        return _complain(str(error))
    return 0


def _key(_options: argparse.Namespace, environ: dict[str, str]) -> int:
    settings = _settings_with_kept_secrets(environ)
    if not settings.api_key:
        raise BadSetting("ONAIR_API_KEY", _missing("key", settings))
    print(settings.api_key)
    return 0


def _rehearse(arguments: list[str]) -> None:
    """Become the rehearsal, if it is installed: a program that knows servers by the wire only."""
    if importlib.util.find_spec("loadtest") is not None:
        os.execv(sys.executable, [sys.executable, "-P", "-m", "loadtest.rehearsal", *arguments])


def _settings_with_kept_secrets(environ: dict[str, str]) -> Settings:
    """The settings; secrets that the environment does not name come from the data directory."""
    data_dir = Settings.from_env(environ).data_dir
    return Settings.from_env(secrets_file.with_kept(environ, secrets_file.read(data_dir)))


def _missing(what: str, settings: Settings) -> str:
    return f"is missing, and {settings.data_dir} keeps no {what}; a demo makes one at its start"


if __name__ == "__main__":
    sys.exit(main())
