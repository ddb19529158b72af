#!/bin/sh
# Example callback for lobbyd: keeps an upstream of nginx, with one server for each label KEY:ADDRESS:PORT of the lobby.
#
#   CALLBACK="/usr/local/bin/lobby-nginx /etc/nginx/lobby/web.conf web"
#
# With the label web:10.0.0.7:8080 the file is `upstream web { server 10.0.0.7:8080; }`. nginx needs `include /etc/nginx/lobby/*.conf;`
# in its block http, and `proxy_pass http://web;` where it is used. NGINX_COMMAND is the command line of nginx, if it is another than `nginx`.
# Needs jq, and the rights to write the file and to reload nginx.
#
# lobbyd gives it the list of servers as JSON on standard input, logs what it prints, and runs it again after a while if it fails.
# The file stays as it is while lobbyd may not know everybody, while there is no server at all, and when nginx refuses the new one.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: $0 FILE KEY, with the list of servers on standard input" >&2
    exit 2
fi
target=$1
key=$2
nginx=${NGINX_COMMAND:-nginx}

# A daemon that has just been started, or has not found its broker yet, knows but a part of the lobby.
if [ "${LOBBY_WARM:-true}" != true ]; then
    echo "lobbyd has not heard everybody yet: $target stays as it is" >&2
    exit 1
fi

# A temporary file in the same directory can be renamed to the target in one step: nginx reads the old file or the new one.
fresh=$(mktemp "$target.XXXXXX")
trap 'rm -f "$fresh"' EXIT
trap 'exit 1' HUP INT TERM

# Labels come from the network: only what looks like an address and a port may get into the file.
jq --raw-output --arg key "$key" '
    [.[].labels[] | select(startswith($key + ":")) | ltrimstr($key + ":")]
    | unique[]
    | select(test("\\A([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}\\z"))
    | "    server \(.);"
' >"$fresh"
if ! [ -s "$fresh" ]; then
    echo "no server has a label $key:ADDRESS:PORT: $target stays as it is" >&2
    exit 1
fi
servers=$(cat "$fresh")
printf 'upstream %s {\n%s\n}\n' "$key" "$servers" >"$fresh"
chmod 0644 "$fresh"

# FILE.loaded is what nginx was last told to load. It differs from the file if this script was stopped in between.
if cmp -s "$fresh" "$target" && cmp -s "$fresh" "$target.loaded"; then
    exit 0
fi
if [ -e "$target" ]; then
    cp -p "$target" "$target.before"
fi
mv -f "$fresh" "$target"
# Not quoted: NGINX_COMMAND may hold options.
if ! $nginx -t -q; then
    echo "nginx refuses the new $target: it gets the old one back" >&2
    mv -f "$target.before" "$target" || rm -f "$target"
    exit 1
fi
$nginx -s reload
cp -p "$target" "$fresh"
mv -f "$fresh" "$target.loaded"
echo "nginx uses $(printf '%s\n' "$servers" | wc -l) servers of $target"
