#!/usr/bin/env bash
# Prepare what the tests need beside Python, then run every suite; stop at the first red one.
# Called by `make test`, which has made .venv. ONAIR_TEST_NO_INSTALL=1 forbids installing anything
# here: suites whose parts are missing are then skipped, and the end says that it was no full pass.
# With CI=true a missing part is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
sdk_js=tests/e2e/sdk_js

may_install() { [ "${ONAIR_TEST_NO_INSTALL:-}" != 1 ]; }

# apt_install PACKAGE...: from Debian's or Ubuntu's own packages, when that is possible and allowed.
apt_install() {
  may_install && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
  echo "Installing with apt-get: $*"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null; } ||
    echo "apt-get could not install: $*"
}

command -v node >/dev/null && command -v npm >/dev/null || apt_install nodejs npm
command -v chromium >/dev/null || apt_install chromium
# Without a Chinese font the screenshots would show boxes.
[ -n "$(fc-list :lang=zh 2>/dev/null)" ] || apt_install fontconfig fonts-noto-cjk

if may_install && command -v npm >/dev/null && [ -f $sdk_js/package-lock.json ] &&
  ! [ $sdk_js/node_modules/.package-lock.json -nt $sdk_js/package-lock.json ]; then
  echo "Installing the JavaScript packages of the tests"
  (cd $sdk_js && npm ci --no-audit --no-fund --loglevel=error) || echo "npm ci failed"
  touch -c $sdk_js/node_modules/.package-lock.json
fi

missing=$($python -m tests.support.parts)
if [ -n "$missing" ] && [ "${CI:-}" = true ]; then
  printf 'Parts that the tests need are missing, and in CI nothing may be skipped:\n%s\n' "$missing"
  exit 1
fi

make --no-print-directory check

# These wait more than they compute, so they run side by side; browsers want the machine.
logs=$(mktemp -d)
running=''
trap 'for pid in $running; do kill -- "-$pid" 2>/dev/null || true; done; rm -rf "$logs"' EXIT
begin() { # begin NAME PYTEST-ARGUMENT...
  local name=$1
  shift
  set -m # a group of its own: without, it and all it starts would ignore an interrupt
  $python -m pytest -q "$@" >"$logs/$name" 2>&1 &
  running="$running $!"
  echo $! >"$logs/$name.pid"
  set +m
}
sale_faults=(tests/fault/test_sale_faults.py tests/fault/test_sale_storms.py)
echo "== tests/integration and tests/fault, side by side: some minutes without a word"
begin integration tests/integration
begin fault tests/fault "${sale_faults[@]/#/--ignore=}"
begin fault-of-sales "${sale_faults[@]}" --seeds 2
red=0
for name in integration fault fault-of-sales; do
  wait "$(cat "$logs/$name.pid")" || red=1
  echo "== tests: $name"
  cat "$logs/$name"
done
running=''
cat .artifacts/faults.md
if [ $red = 1 ]; then exit 1; fi
echo "== tests/e2e"
$python -m pytest -q tests/e2e

if [ -n "$missing" ]; then
  printf 'NOT A FULL PASS: skipped what needs the following.\n%s\n' "$missing"
else
  echo "All suites passed, nothing was left out."
fi
