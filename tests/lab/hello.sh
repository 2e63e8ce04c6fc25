#!/bin/sh
# The program of the `hello` container on deb12: serves one page, logs a line every 3 s.
trap 'echo "hello: told to stop"; exit 0' TERM INT
httpd -p 80 -h /www
count=0
while :; do
    count=$((count + 1))
    echo "hello: line $count"
    sleep 3 &
    wait $!
done
