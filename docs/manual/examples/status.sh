#!/bin/sh
# The same in shell: one request on standard input and output, as systemd (Accept=yes), inetd or socat starts it.
# STATE: the argument.
state=$1 capacity=3

answer() {
    printf 'HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' "$1" "${#2}" "$2"
    exit 0
}

while IFS= read -r line && [ "${#line}" -gt 1 ]; do :; done # the request; its empty line ends it
calls=$(cat "$state/calls" 2>/dev/null)
case $calls in
    '' | *[!0-9]*) answer '503 Service Unavailable' 'not up yet' ;; # a failed probe: never "delete me" by mistake
esac
free=$((capacity > calls ? capacity - calls : 0))
termination=false
[ ! -e "$state/done" ] || termination=true
answer '200 OK' "{\"capacity\": $free, \"termination\": $termination}"
