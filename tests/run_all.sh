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

# Suites wait more than they compute, so four lanes of them run side by side, each one suite after
# the other. Shares of tests/e2e are by how long they take; a new file falls into e2e-rest, so none
# is forgotten. When a lane takes much longer than the others, move a file.
e2e_pages=(tests/e2e/test_browser_{look,merchant,merchant_look}.py)
e2e_rooms=(tests/e2e/test_browser{,_line,_pictures,_safety,_sales,_sales_host,_sales_look}.py)
e2e_rehearsals=(tests/e2e/test_{rehears,browser_rehears}*.py)
e2e_named=("${e2e_pages[@]}" "${e2e_rooms[@]}" "${e2e_rehearsals[@]}")
sale_faults=(tests/fault/test_sale_faults.py tests/fault/test_sale_storms.py)
rehearsal_faults=(tests/fault/test_rehears*.py)
fault_named=("${sale_faults[@]}" "${rehearsal_faults[@]}")
rehearsals_in_parts=(tests/integration/test_rehears*.py)

first_lane() {
  suite e2e-pages "${e2e_pages[@]}"
  suite integration tests/integration "${rehearsals_in_parts[@]/#/--ignore=}"
}
second_lane() {
  suite e2e-rooms "${e2e_rooms[@]}"
  suite fault tests/fault "${fault_named[@]/#/--ignore=}"
}
third_lane() {
  suite e2e-rest tests/e2e "${e2e_named[@]/#/--ignore=}"
  suite fault-of-sales "${sale_faults[@]}" --seeds 2
}
fourth_lane() {
  suite rehearsals "${rehearsals_in_parts[@]}" "${e2e_rehearsals[@]}" "${rehearsal_faults[@]}"
}

logs=$(mktemp -d)
lanes=''
# A lane is a process group of its own, interrupted as Ctrl-C would: tests then stop their servers.
stop_lanes() {
  for lane in $lanes; do kill -INT -- "-$lane" 2>/dev/null || true; done
  wait
  rm -rf "$logs"
}
trap stop_lanes EXIT

suite() { # suite NAME PYTEST-ARGUMENT...: run it, keep what it says, tell how it ended
  local name=$1 began=$SECONDS ended=passed
  shift
  $python -m pytest -q "$@" >"$logs/$name.log" 2>&1 || ended=RED
  echo "$ended" >"$logs/$name.ended"
  echo "   $name: $ended after $((SECONDS - began)) s"
}

echo "== tests/e2e, tests/integration and tests/fault, side by side: minutes without a word"
set -m
for lane in first_lane second_lane third_lane fourth_lane; do
  { trap "exit 130" INT; $lane; } &
  lanes="$lanes $!"
done
set +m
for lane in $lanes; do wait "$lane" || true; done
lanes=''
red=''
for name in e2e-pages e2e-rooms e2e-rest rehearsals integration fault fault-of-sales; do
  echo "== tests: $name"
  cat "$logs/$name.log" || true
  [ "$(cat "$logs/$name.ended" 2>/dev/null)" = passed ] || red="$red $name"
done
cat .artifacts/faults.md .artifacts/sharing-faults.md || true
if [ -n "$red" ]; then
  echo "RED:$red"
  exit 1
fi

if [ -n "$missing" ]; then
  printf 'NOT A FULL PASS: skipped what needs the following.\n%s\n' "$missing"
else
  echo "All suites passed, nothing was left out."
fi
