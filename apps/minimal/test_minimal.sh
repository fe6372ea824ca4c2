#!/bin/sh
# test_minimal.sh MINIMAL CONFIG: it runs, counts what it should, and its books balance.
out=$("$1" "$2") || { echo "exit code $?"; exit 1; }
echo "$out"
for pattern in 'census: ipv4 [0-9,]*$' 'census\.neither  *[0-9][0-9,]*' ' unaccounted 0$'; do
    echo "$out" | grep -qE "$pattern" || { echo "FAIL: no '$pattern'"; exit 1; }
done
