#!/bin/sh
# headers.sh ROOT CC STD LANGUAGE: every public header compiles alone, without extensions and without a warning.
bad=0 seen=0
for header in "$1"/include/millrace/*.h; do
    seen=$((seen + 1))
    echo "#include <millrace/${header##*/}>" |
        "$2" -x "$4" -std="$3" -pedantic -Wall -Wextra -Wshadow -Wundef -Werror -fsyntax-only -I"$1/include" - || {
        echo "${header##*/} does not compile alone with $2 -std=$3"
        bad=$((bad + 1))
    }
done
echo "$seen headers, $bad bad, $2 -std=$3"
[ "$seen" -gt 8 ] && [ "$bad" -eq 0 ]
