#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isle is killed at each system call of a commit, an undo and a discard in turn. After the next command the host is as before or
# as afterwards, never between, and the isle has all of its changes or none.
# runs-as: root
# time-limit: 900
. "$(dirname "$0")/../lib.sh"
need strace

# Every commit syncs: on a disk in memory that costs nothing, and there are hundreds. CRASH_MOUNT=bind: the host's directory is a
# mount of its own, so that everything is copied. CRASH_MOUNT=part: something is left in the isle, so that its layer stays.
if is_root && [ -z "${CRASH_DISK:-}" ]; then
	unshare -m --propagation private sh -eu -c '
		truncate -s 400M /dev/shm/isle-crash.$$
		mkfs.ext4 -q /dev/shm/isle-crash.$$
		mount -o loop,barrier=0 /dev/shm/isle-crash.$$ "$1" || { rm /dev/shm/isle-crash.$$; exit 77; }
		rm /dev/shm/isle-crash.$$
		chmod 755 "$1"
		for mount in "" bind part; do CRASH_DISK=1 CRASH_MOUNT=$mount TMPDIR=$1 bash "$2"; done
		umount "$1"
	' sh "$T" "$(readlink -f "$0")"
	exit
fi
H=$T
if [ "${CRASH_MOUNT:-}" = bind ]; then
	H=$T/mount
	mkdir "$H"
	mount --bind "$H" "$H"
	at_end 'umount "$H"'
fi
# Calls that change something, or decide whether it is changed; a kill before any other shows nothing new. strace counts each
# call for itself.
calls='renameat2 renameat linkat unlinkat unlink mkdirat mknodat symlinkat fchmodat chmod fchownat setxattr lsetxattr removexattr
	lremovexattr utimensat ftruncate write pwrite64 copy_file_range syncfs'
script='echo more >>f1; rm f2; mv d e; echo y >e/y; mkdir n; echo 1 >n/1; chmod 600 f4; rm -r gone; mkdir gone; echo z >gone/z; echo t >>h1'

except=
if [ "${CRASH_MOUNT:-}" = part ]; then
	script="$script; echo 1 >not-yet"
	except="--except=$H/host/not-yet"
fi

seed() {
	rm -rf "$H/host"
	mkdir -p "$H/host/d" "$H/host/gone"
	(
		cd "$H/host"
		for f in f1 f2 f3 f4 d/x gone/a gone/b; do echo "$f" >"$f"; done
		echo h >h1
		ln h1 h2
	)
}

look_at_host() {
	(
		cd "$H/host"
		find . \( -type d -printf '%p %y %m %U:%G\n' \) -o -printf '%p %y %m %U:%G %s %l\n' | sort
		find . -type f -print0 | sort -z | xargs -0r sha256sum --
	)
}

looking=look_at_host
look() { "$looking"; }

seed
look >"$T/before"
(cd "$H/host" && isle run -q -n base -- sh -c "$script")
isle status base >"$T/changes" || true
isle commit -q --yes ${except:+"$except"} base
isle status base >"$T/rest" || true
[ -z "$except" ] || has "$(cat "$T/rest")" not-yet
look >"$T/after"
differs "$(cat "$T/before")" "$(cat "$T/after")"

# sweep WHAT BEFORE AFTER PREPARE COMMAND...: kills COMMAND at the 1st, 2nd, ... use of each call until it survives.
sweep() {
	local what=$1 before=$2 after=$3 prepare=$4 n call kills=0 back=0 forth=0 status
	shift 4
	for call in $calls; do
		for ((n = 1; n < 100; n++)); do
			$prepare
			status=0
			{
				strace -qq -f -o "$T/strace" -e "trace=$call" -e "inject=$call:signal=SIGKILL:when=$n" "$@" \
					>"$T/out" 2>&1 || status=$?
			} 2>/dev/null # the shell would say "Killed"
			[ "$status" -ne 0 ] || break
			[ "$status" -eq 137 ] || fail "$what with a kill at $call $n: status $status: $(cat "$T/out")"
			kills=$((kills + 1))
			"$ISLE" undo --yes 999999 >/dev/null 2>"$T/recovery" || true # any verb that changes something recovers
			absent "$ISLE_HOME/pending"
			hasnt "$(cat "$T/recovery")" "could not take back"
			look >"$T/now"
			if cmp -s "$T/now" "$before"; then
				back=$((back + 1))
				check_back
			elif cmp -s "$T/now" "$after"; then
				forth=$((forth + 1))
				check_forth
			else
				diff "$before" "$T/now" >&2 || true
				fail "$what, killed at $call $n: between before and after; recovery said: $(cat "$T/recovery")"
			fi
			left=$(find "$H/host" -name '.isle-*')
			[ -z "$left" ] || fail "$what, killed at $call $n: left on the host: $left"
		done
	done
	echo "$what: $kills kills, $back taken back, $forth completed"
	[ "$kills" -gt 20 ] || fail "$what: too few kills"
}

fresh() {
	isle rm -q --yes base
	seed
	(cd "$H/host" && isle run -q -n base -- sh -c "$script")
}

check_back() {
	isle status base >"$T/status" || true
	sed 's/  (changed on the host since)//' "$T/status" | diff "$T/changes" - >&2 || fail "the isle has lost changes"
	# And it can still be committed: what was taken back is no conflict.
	isle commit -q --yes ${except:+"$except"} base || fail "what was taken back cannot be committed"
	look | diff "$T/after" - >&2 || fail "the commit after it is not whole"
}
check_forth() {
	isle status base >"$T/status" || true
	sed 's/  (changed on the host since)//' "$T/status" | diff "$T/rest" - >&2 || fail "the isle still has what was committed"
}
sweep commit "$T/before" "$T/after" fresh "$ISLE" commit -q --yes ${except:+"$except"} base

committed() {
	fresh
	isle commit -q --yes ${except:+"$except"} base
}
check_back() { :; }
check_forth() { :; }
sweep undo "$T/after" "$T/before" committed "$ISLE" undo -q --yes

# A discard is told by the isle; the host stays as it is.
look_at_isle() {
	isle status base 2>&1 | sed 's/  (changed on the host since)//' || true
}
looking=look_at_isle
fresh
look >"$T/before"
echo "no changes" >"$T/after"
sweep discard "$T/before" "$T/after" fresh "$ISLE" discard -q --yes base
[ -n "${CRASH_DISK:-}" ] || nothing_left
