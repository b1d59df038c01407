# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests that interrupt operations share (cli/commit-crash.sh, cli/commit-errors.sh): a disk in memory, a tree with one
# thing of each kind that a commit does, and looks at all of it by programs that share nothing with isle.
#
#   . "$(dirname "$0")/../lib.sh"
#   . "$(dirname "$0")/../helpers/operations.sh"

need strace getfattr getfacl setfacl setfattr

# Each operation syncs: on a disk in memory that costs nothing, and there are thousands. And strace does not know the newest
# calls. So the script starts itself again, once for each kind: plain, for a host in the file system of the store; bind, for one
# that is a mount of its own, so that everything is copied; user, as plain but as the ordinary user.
on_a_disk_in_memory() {
	[ -z "${OPERATIONS_KIND:-}" ] || return 0
	local script=$1
	shift
	# On /mnt, in a mount namespace of its own: around it nothing else comes and goes while the tests run.
	unshare -m --propagation private bash -eu -c '
		image=/dev/shm/isle-operations.$$ directory=/mnt script=$1
		truncate -s 2G $image
		mkfs.ext4 -q $image
		mount -o loop,barrier=0 $image "$directory" || { rm $image; exit 77; }
		rm $image
		chmod 755 "$directory"
		shift
		for kind; do
			become=()
			own=$directory/$kind
			mkdir "$own"
			if [ "$kind" = user ]; then
				chown "$ISLE_TEST_USER" "$own"
				become=(setpriv --reuid "$ISLE_TEST_USER" --regid "$ISLE_TEST_USER" --init-groups env "HOME=$own")
			fi
			echo "$kind:"
			OPERATIONS_KIND=$kind TMPDIR=$own "${become[@]}" \
				python3 "$(dirname "$script")/../helpers/without_xattrat.py" bash "$script"
		done
		umount "$directory"
	' bash "$script" "$@"
	exit
}

H=$T/host
mount_host() {
	mkdir "$H"
	chmod 755 "$H"
	[ "$OPERATIONS_KIND" = bind ] || return 0
	mount --bind "$H" "$H"
	at_end 'umount -l "$H"'
}

# What the program in the isle does.
changes='echo more >>f1; rm f2; mv d e; echo y >e/y; mkdir n; echo 1 >n/1; chmod 600 f4; rm -r gone; mkdir gone; echo z >gone/z
	echo t >>h1; setfattr -n user.b -v 2 f3; ln -s f1 link; chmod 750 k; rm kind; mkdir kind; echo k >kind/k; echo m >>k/m
	chmod 600 closed; echo c >>closed; chmod 000 closed; mkdir shut; echo s >shut/s; chmod 500 shut
	touch -hd 2021-02-03 f1 e/y n/1 gone/z h1 link kind/k k/m closed shut/s'

seed() {
	chmod -R u+rwx "$H" 2>/dev/null || true
	find "$H" -mindepth 1 -delete
	(
		cd "$H"
		mkdir d gone k
		for f in f1 f2 f3 f4 d/x gone/a gone/b h1 k/m kind closed; do echo "$f" >"$f"; done
		ln h1 h2
		setfattr -n user.a -v 1 f1 f3
		setfacl -m u:12:r d/x k/m 2>/dev/null || setfacl -m "u:$(id -u):r" d/x k/m
		find . ! -type d -exec touch -hd 2020-01-01 {} +
		chmod 000 closed
	)
}

# All but the times of directories, which move with what is made in them, and the number of links, which a name that is kept for
# undo counts for.
look_at_host() {
	(
		cd "$H"
		find . \( -type d -printf '%p %y %m %U:%G\n' \) -o -printf '%p %y %m %U:%G %s %T@ %l\n' | sort
		find . -type f -readable -print0 | sort -z | xargs -0r sha256sum --
		# In an order that does not go by that of their making.
		find . -print0 | sort -z | xargs -0 getfattr -hd -m - -- 2>/dev/null || true
		find . ! -type l -print0 | sort -z | xargs -0 getfacl -p --skip-base -- 2>/dev/null || true
	)
}

# What the isle says it has changed, without what the host looks like by now.
look_at_isle() {
	"$ISLE" status base 2>/dev/null | sed 's/  (changed on the host since)//' || true
}

fresh() {
	if "$ISLE" rm -q --yes base 2>/dev/null; then :; fi
	seed
	(cd "$H" && "$ISLE" run -q -n base -- sh -eu -c "$changes")
}

# shellcheck disable=SC2034 # for who reads this file
# Sets $before, $after and $pending: files with looks at the host and what the isle says, around a commit of everything.
look_around_commit() {
	fresh
	before=$T/before after=$T/after pending=$T/pending-changes
	look_at_host >"$before"
	look_at_isle >"$pending"
	"$ISLE" commit -q --yes --allow=acl base
	look_at_host >"$after"
	differs "$(cat "$before")" "$(cat "$after")"
	status_is 0 "$ISLE" status base >/dev/null
}

# Nothing of an operation is left where it does not belong: names beside the host's, records of what was taken back.
nothing_half() {
	local left
	absent "$ISLE_HOME/pending"
	left=$(find "$H" -name '.isle-*')
	[ -z "$left" ] || fail "$1: left on the host: $left"
	for left in "$ISLE_HOME"/undo/*; do
		[ ! -d "$left" ] || [ -L "$left/applied" ] || fail "$1: left of what was taken back: $(find "$left")"
	done
}

# kill_at CALL N [COMMAND...]: a commit of everything, or COMMAND, is killed when it enters the N-th CALL.
kill_at() {
	local call=$1 n=$2
	shift 2
	[ $# -gt 0 ] || set -- "$ISLE" commit -q --yes --allow=acl base
	{ strace -qq -f -o /dev/null -e "trace=$call" -e "inject=$call:signal=SIGKILL:when=$n" "$@" >/dev/null 2>&1 || true; } 2>/dev/null
	exists "$ISLE_HOME/pending"
}

# shellcheck disable=SC2034 # for who reads this file
# Sets $kill_call and $kill_when to the first renaming call of a commit after all its steps are done and noted.
find_first_after_applied() {
	fresh
	strace -qq -f -o "$T/calls" -e trace=symlinkat,renameat2,unlinkat "$ISLE" commit -q --yes --allow=acl base
	read -r kill_call kill_when < <(awk '
		{ sub(/^[0-9]* */, ""); call = $0; sub(/\(.*/, "", call); count[call]++ }
		applied && call != "symlinkat" { print call, count[call]; exit }
		/"applied"\)/ { applied = 1 }' "$T/calls")
}

# tell_side WHAT FROM TO: which of the two looks $T/now is: $side is back or forth. Anything between is a failure.
tell_side() {
	# shellcheck disable=SC2034 # for the caller
	side=back
	! cmp -s "$T/now" "$2" || return 0
	# shellcheck disable=SC2034
	side=forth
	! cmp -s "$T/now" "$3" || return 0
	{
		diff "$2" "$T/now" || true
		echo "and:"
		diff "$3" "$T/now" || true
	} >&2
	fail "$1: between before and after: $(cat "$T/out" "$T/recovery" 2>/dev/null)"
}
