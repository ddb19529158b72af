#!/bin/sh
# Shows lobby at work on this machine: two daemons on the Local driver find each other, with no broker and nothing installed.
#
#   config/demo.sh DIRECTORY            ends them and leaves nothing behind; DIRECTORY holds the programs, as target/debug does
#   STAY=1 config/demo.sh DIRECTORY     lets them run until Ctrl-C
#
# They listen on PORT, by default 1313, and on the port after it.
set -eu

fail() {
    echo "$*" >&2
    exit 1
}

[ -x "${1:-.}/lobbyd" ] && [ -x "${1:-.}/lobbyctl" ] || fail "usage: $0 DIRECTORY, where lobbyd and lobbyctl are"
first=${PORT:-1313}
[ "$first" -gt 0 ] 2>/dev/null && [ "$first" -lt 65535 ] || fail "PORT=$first: a number from 1 to 65534 is allowed"
second=$((first + 1))
PATH=$(cd "$1" && pwd):$PATH

home=$(mktemp -d "${TMPDIR:-/tmp}/lobby-demo.XXXXXX")
cd "$home"
daemons=
clean_up() {
    for daemon in $daemons; do
        kill "$daemon" 2>/dev/null || true
    done
    wait
    cd /
    rm -rf "$home"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() {
    echo "# $*"
}

# Becomes the command, with the settings that are shown and none of the user's: these are for other daemons.
become() {
    exec env -i PATH="$PATH" DRIVER=Local LOCAL_PATH=packets STATE_PATH=state "$@"
}

# Shows a command and runs it.
show() {
    echo "\$ $*"
    (become "$@")
}

# The same for curl, which not every machine has.
show_curl() {
    if command -v curl >/dev/null; then
        show curl -sS "$@"
        printf '\n\n'
    else
        printf '(curl %s is left out: curl is not installed)\n\n' "$*"
    fi
}

# Starts a daemon, `start NAME PORT LABELS`, and waits until it listens.
start() {
    echo "\$ HOSTNAME=$1 PORT=$2 LABELS_PATH=$1 LABELS=$3 lobbyd 2>$1.log &"
    become HOSTNAME="$1" PORT="$2" LABELS_PATH="$1" LABELS="$3" lobbyd 2>"$1.log" &
    daemons="$daemons $!"
    until grep -qs listening "$1.log"; do
        if ! kill -0 $! 2>/dev/null; then
            cat "$1.log" >&2
            fail "$1 did not start. If port $2 is taken, choose another, for example: make demo PORT=2313"
        fi
        sleep 0.1
    done
}

# Waits until a command prints this text, `await TEXT COMMAND…`, for at most 10 seconds.
await() {
    expected=$1
    shift
    for _ in $(seq 100); do
        seen=$(become "$@")
        [ "$seen" != "$expected" ] || return 0
        sleep 0.1
    done
    fail "$* printed \"$seen\" instead of \"$expected\""
}

echo '$ cd "$(mktemp -d)" && export DRIVER=Local LOCAL_PATH=packets'
echo
say "One daemon. It knows itself."
start alpha "$first" service:web,location:prague
show_curl "http://127.0.0.1:$first/v1/discoveries"

say "Another one, under another HOSTNAME and PORT. Neither was told of the other."
start beta "$second" service:smtp,prometheus:node:host:127.0.0.1
await beta lobbyctl --port "$first" resolve service:smtp
show lobbyctl --port "$first" discoveries

say "Ask alpha: who does mail, and what has Prometheus to scrape? (A daemon answers that 5 seconds after its start.)"
show lobbyctl --port "$first" resolve service:smtp
show_curl "http://127.0.0.1:$first/v1/prometheus/node"

say "A label that beta gets at run time is known to alpha at once."
show lobbyctl --port "$second" labels add maintenance:yes
await beta lobbyctl --port "$first" resolve maintenance:yes
show lobbyctl --port "$first" discoveries labels maintenance:yes

if [ "${STAY:-}" = 1 ]; then
    say "Both run on until you press Ctrl-C. Their logs and files are in $home"
    trap exit INT
    wait
    exit
fi

say "beta ends and says goodbye."
echo '$ kill %2'
kill "${daemons##* }"
await '' lobbyctl --port "$first" resolve service:smtp
show lobbyctl --port "$first" discoveries
