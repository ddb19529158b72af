#!/bin/sh
# Example callback for lobbyd: keeps a hosts file of the servers in the lobby, one line for each public_ip4: and public_ip6: label.
#
#   CALLBACK="/usr/local/bin/lobby-hosts /var/lib/lobby/hosts"
#   CALLBACK="/usr/local/bin/lobby-hosts /var/lib/lobby/hosts http://10.0.0.5:1313"
#
# The URL is that of lobbyd, where it does not listen on 127.0.0.1. dnsmasq reads such a file with addn-hosts=/var/lib/lobby/hosts.
# Needs curl and jq.
#
# lobbyd runs it on each change, gives it the list of servers as JSON on standard input, logs what it prints, and runs it again at the
# next change if it failed.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 FILE [URL], with the list of servers on standard input" >&2
    exit 2
fi
target=$1
lobbyd=${2:-http://127.0.0.1:${PORT:-1313}}

# A daemon that has not found its broker since it was started knows itself alone: better the file of yesterday than that.
if ! curl --fail --silent --max-time 5 --output /dev/null "$lobbyd/readyz"; then
    echo "$lobbyd is not ready: $target stays as it is" >&2
    exit 1
fi

# A temporary file in the same directory can be renamed to the target in one step: readers see the old file or the new one.
fresh=$(mktemp "$target.XXXXXX")
trap 'rm -f "$fresh"' EXIT
trap 'exit 1' HUP INT TERM

# Labels and host names come from the network: only what looks like an address and a name may get into the file.
jq --raw-output '
    .[]
    | .hostname as $name
    | select($name | test("\\A[A-Za-z0-9._-]+\\z"))
    | .labels[]
    | select(test("\\Apublic_ip[46]:[0-9A-Fa-f.:]+\\z"))
    | "\(sub("^public_ip[46]:"; ""))\t\($name)"
' >"$fresh"

if cmp -s "$fresh" "$target"; then
    exit 0
fi
chmod 0644 "$fresh"
mv -f "$fresh" "$target"
echo "wrote $(wc -l <"$target") addresses to $target"

# Here one would tell the program that reads the file, for example: pkill -HUP dnsmasq
