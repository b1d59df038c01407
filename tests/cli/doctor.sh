#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle doctor tells what is there, and for what is missing why and how to get it.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3 unshare

walls="userns mountns pidns ipcns utsns netns cgroupns overlay landlock seccomp notify netfilter coredump"

# doctor STATUS [COMMAND]...: the document goes to $T/json.
doctor() {
	local want=$1
	shift
	status_is "$want" "$@" "$ISLE" doctor --json >"$T/json"
}

# of EXPRESSION: about the document d.
of() {
	python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$T/json" "$1"
}

status=0
isle doctor --json >"$T/json" || status=$?
same "$(of 'd["version"]')" 1
same "$(of '" ".join(d["walls"])')" "$walls"
same "$(of 'all(m["what"] and m["why"] and m["fix"] for m in d["missing"])')" True
if [ "$status" -eq 0 ]; then
	same "$(of 'd["missing"]')" "[]"
	has "$(isle doctor)" "everything is there"
else
	same "$status" 5
	of 'd["missing"]'
	status_is 5 isle doctor >"$T/text"
	has "$(cat "$T/text")" MISSING
	has "$(cat "$T/text")" "fix: "
fi
[ -z "${ISLE_MUST_WORK:-}" ] || same "$(of 'all(d["walls"].values())')" True "all walls are here"
same "$(find "$ISLE_HOME" -name '.isle-probe*' -o -name .probe)" "" "left of the probe"

# Trying the store was killed in the middle: the next command tries it again.
mkdir -p "$T/killed/.probe/lower/lower-dir" "$T/killed/.probe/upper/lower-dir" "$T/killed/.probe/work/work" "$T/killed/.probe/merged"
chmod 700 "$T/killed"
ISLE_HOME=$T/killed isle run -q -n killed -- true
[ -f "$T/killed/format" ] && [ ! -e "$T/killed/.probe" ] || fail "the store that was half made: $(ls -A "$T/killed")"
status_is 2 isle doctor nonsense 2>/dev/null

# What is missing is seen to be.
# without COMMAND...: without the programs that isle starts. They are not looked for in PATH.
without() {
	# shellcheck disable=SC2016
	unshare --user --map-root-user --mount sh -c 'for program in /usr/bin/pasta /usr/sbin/nft; do
		[ ! -e $program ] || mount --bind /dev/null "$(readlink -f $program)" || exit
	done
	exec "$@"' sh "$@"
}
if without true 2>/dev/null; then
	doctor 5 without
	same "$(of 'd["aids"]["pasta"], d["walls"]["netfilter"]')" "(False, False)"
	same "$(of '[m["fix"] for m in d["missing"] if m["what"] == "pasta"][0].count("passt")')" 2
	same "$(of '[m["fix"] for m in d["missing"] if m["what"] == "netfilter"][0].count("nftables")')" 2
	status_is 125 without "$ISLE" run -q --discard --require netfilter true 2>"$T/err"
	has "$(cat "$T/err")" "the demanded protection 'netfilter' cannot be had here: nft is not installed"
	without "$ISLE" run -q --discard --net none --require netfilter true
	without "$ISLE" run --discard python3 -c 'import socket; socket.socket(); socket.socket()' 2>"$T/err"
	same "$(grep -c "no network inside: " "$T/err")" 1
	has "$(cat "$T/err")" "hint: install"
fi
status_is 125 isle run -q --discard --net host --require netfilter true 2>"$T/err"
has "$(cat "$T/err")" "the demanded protection 'netfilter' is left out by --net host"
# Root runs no program that others may change.
if is_root; then
	cp /usr/sbin/nft "$T/nft"
	chmod 777 "$T/nft"
	# shellcheck disable=SC2016
	status_is 125 unshare -m sh -c 'mount --bind "$0" "$(readlink -f /usr/sbin/nft)" && exec "$@"' "$T/nft" "$ISLE" run -q \
		--discard --require netfilter true 2>"$T/err"
	has "$(cat "$T/err")" "others than root can change the program nft"
fi
# A program of this name in PATH is not run.
mkdir "$T/bin"
for program in pasta nft; do
	printf '#!/bin/sh\necho ran >%s\n' "$T/ran" >"$T/bin/$program"
done
chmod +x "$T/bin"/*
PATH=$T/bin:$PATH status_is "$status" isle doctor >/dev/null
PATH=$T/bin:$PATH isle run -q --discard python3 -c 'import socket; socket.socket()' 2>/dev/null
absent "$T/ran"

# no_user_namespaces COMMAND: with user.max_user_namespaces = 0, inside a user namespace whose limit that is.
no_user_namespaces() {
	unshare --user --map-root-user --mount --pid --fork --mount-proc \
		sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh "$@"
}
if no_user_namespaces true 2>/dev/null; then
	doctor 5 no_user_namespaces
	same "$(of 'd["walls"]["userns"]')" False
	same "$(of '"max_user_namespaces" in [m["fix"] for m in d["missing"] if m["what"] == "userns"][0]')" True
fi

# A run that cannot isolate says which wall is missing, and how to get it.
no_namespaces() {
	unshare --user --map-root-user sh -c 'echo 0 >"/proc/sys/user/max_$1_namespaces" && shift && exec "$@"' sh "$@"
}
for kind in user mnt pid ipc uts net cgroup; do
	no_namespaces $kind true 2>/dev/null || continue
	status_is 125 no_namespaces $kind "$ISLE" run -q true 2>"$T/err"
	has "$(cat "$T/err")" "isle: cannot isolate: user.max_${kind}_namespaces is 0"
	has "$(cat "$T/err")" "hint: sudo sysctl -w user.max_${kind}_namespaces="
done

# A result that cannot be written is a failure.
if [ -w /dev/full ]; then
	status_is 1 isle doctor --json >/dev/full 2>/dev/null
	status_is 1 isle doctor >/dev/full 2>/dev/null
fi
nothing_left
