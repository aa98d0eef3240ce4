#!/bin/sh
# The same in shell: handles one request on standard input and output; started by systemd (Accept=yes), inetd or socat.
# Argument: STATE.
state=$1 capacity=3

answer() {
    printf 'HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' "$1" "${#2}" "$2"
    exit 0
}

while IFS= read -r line && [ "${#line}" -gt 1 ]; do :; done # reads the request up to its empty line
calls=$(cat "$state/calls" 2>/dev/null)
case $calls in
    '' | *[!0-9]*) answer '503 Service Unavailable' 'not up yet' ;; # a failed probe, not termination=true by mistake
esac
free=$((capacity > calls ? capacity - calls : 0))
termination=false
[ ! -e "$state/done" ] || termination=true
answer '200 OK' "{\"capacity\": $free, \"termination\": $termination}"
