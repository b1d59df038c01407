#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An X server and X programs in one isle; the host's displays are out of reach.
# runs-as: root user
# time-limit: 60
. "$(dirname "$0")/../lib.sh"

need Xvfb xdpyinfo
cd "$T" || exit
has "$(isle run -q --discard --net none -- bash -ec '
	Xvfb :77 -screen 0 320x240x24 -nolisten tcp >xvfb.log 2>&1 &
	for i in $(seq 100); do DISPLAY=:77 xdpyinfo >info 2>/dev/null && break; sleep 0.1; done
	grep dimensions info || { cat xvfb.log >&2; exit 1; }
	DISPLAY=:77 timeout 10 xwininfo -root | grep Width
	kill %1')" "320x240"
absent "$T/info" /tmp/.X11-unix/X77 /tmp/.X77-lock
# One outside is not reachable, neither by its socket in the file system nor by the abstract one.
Xvfb :78 -screen 0 320x240x24 -nolisten tcp >"$T/xvfb.log" 2>&1 &
export server=$!
at_end 'kill $server; wait $server'
wait_for 10 env DISPLAY=:78 xdpyinfo >"$T/info"
status_is 1 isle run -q --discard -- env DISPLAY=:78 xdpyinfo >/dev/null 2>&1
