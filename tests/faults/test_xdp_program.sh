#!/bin/sh
# The program of an xdp port is detached, or replaced, by somebody who does it through its bpf_link: rtnetlink does not tell,
# and it is told all the same.
. "$(dirname "$0")/link.sh"
xdp_program=$4
DRIVER=xdp
lab_up

engine_start none
check "the program is detached" "$xdp_program" detach left
wait_event left xdp 20000
event left xdp 'left has no XDP program any more, had [1-9]'
engine_stop
same "times that it was told" "$(grep -c 's: left: xdp: ' $dir/err)" 1

engine_start none
check "the program is replaced" "$xdp_program" replace right
wait_event right xdp 20000
event right xdp 'right has XDP program [1-9][0-9]* now, had [1-9]'
engine_stop
same "times that it was told" "$(grep -c 's: right: xdp: ' $dir/err)" 1
home
