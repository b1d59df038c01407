#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A commit, an undo, a discard, a gc and recovery itself survive the loss of power: all that reaches a disk while they go on is
# logged, and what the disk may hold when the power goes at some moment is built from the log, mounted, recovered and compared.
# runs-as: root
# time-limit: 300
#
# tests/powerloss/logdisk.c serves the disk and logs it, cut.c says which writes a disk may lose. A loop device stands on the
# disk, a file system on that; the store and the work tree lie on it. A recording goes through all operations once; for each cut
# its disk is mounted again as after a restart: new boot id, and another device number for every second one.
#
# The power goes again while the first command after a restart recovers: that is recorded, too, from a disk that an operation
# had left half done, and cut the same way.
#
# POWERLOSS_FS: ext4, xfs, btrfs (default: the first two). POWERLOSS_CUTS: cuts of each operation, or "full". POWERLOSS_SEED: other cuts.
# POWERLOSS_SETUP: plain; bind: the work tree is a mount of its own, so that everything is copied; two: it lies on a disk of its own;
# user: as plain, but an ordinary user's (default: all; the last with ext4). POWERLOSS_PHASES: only these operations. POWERLOSS_AGAIN: where the power goes
# for the first time before a recovery that is recorded, in words like commit:50, the operation and how many percent of it were over.
. "$(dirname "$0")/../lib.sh"
script=$(readlink -f "$0")

# Whose isle it is.
as_owner() {
	if [ "${SETUP:-}" = user ]; then
		setpriv --reuid "$ISLE_TEST_USER" --regid "$ISLE_TEST_USER" --init-groups env HOME="$M" "$@"
	else
		"$@"
	fi
}

isle() {
	as_owner "$ISLE" "$@"
}

# --- the file system under test ---

# A namespace of processes and mounts of its own: whatever becomes of it, nothing stays.
apart() {
	unshare -mpf --mount-proc --kill-child --propagation private "$@"
}

disks() {
	case $SETUP in
	two) echo 2 ;;
	*) echo 1 ;;
	esac
}

# In MiB.
disk_size() {
	case $FS in
	ext4) echo 96 ;;
	xfs) echo 300 ;;
	btrfs) echo 128 ;;
	*) fail "unknown file system: $FS" ;;
	esac
}

# make_fs IMAGE: one on each disk of it.
make_fs() {
	local disk part=$T/part
	for ((disk = 0; disk < $(disks); disk++)); do
		truncate -s "$(disk_size)M" "$part"
		case $FS in
		ext4) mkfs.ext4 -q -F "$part" ;;
		xfs) mkfs.xfs -q "$part" ;;
		btrfs) mkfs.btrfs -q "$part" ;;
		esac
		dd if="$part" of="$1" bs=1M seek=$((disk * $(disk_size))) conv=sparse,notrunc status=none
		rm "$part"
	done
	truncate -s $(($(disks) * $(disk_size)))M "$1"
}

# mount_disk NUMBER IMAGE WHERE. The image is that of a cut, or the directory of the disks that are recorded.
mount_disk() {
	local options=loop file=$2
	[ "$FS" != xfs ] || options+=,nouuid # two cuts at the same time
	if [ -d "$2" ]; then
		file=$2/disk$1
	else
		options+=,offset=$(($1 * $(disk_size) << 20)),sizelimit=$(($(disk_size) << 20))
	fi
	mount -t "$FS" -o "$options" "$file" "$3"
}

mount_host() {
	case $SETUP in
	bind) mount --bind "$M/host" "$M/host" ;;
	two) mount_disk 1 "$1" "$M/host" ;;
	esac
}

mount_fs() {
	mount_disk 0 "$1" "$M"
	if [ -d "$M/host" ]; then mount_host "$1"; fi
}

# --- what is looked at ---

# All but the times and sizes of directories, which a rollback cannot keep.
look_at_host() {
	(
		cd "$M/host"
		find . -name busy -prune -o -print0 | sort -z >"$T/names"
		find . -name busy -prune -o -type d -printf '%p %y %m %U:%G\n' -o \
			-printf '%p %y %m %U:%G %s %T@ %l %n\n' | sort
		find . -name busy -prune -o -type f -print0 | sort -z | xargs -0r sha256sum --
		xargs -0 -a "$T/names" getfattr -hd -m - -- 2>/dev/null || true
		xargs -0 -a "$T/names" getfacl -p --skip-base -- 2>/dev/null || true
	)
}

# look ISLE: the host and what the isle says.
look() {
	look_at_host
	echo "--- isle"
	isle status --all "$1" 2>&1 | sed 's/  (changed on the host since)//' || true
}

# --- recording ---

seed() {
	local f
	mkdir "$M/host"
	mount_host "$1"
	mkdir -p "$M/host/d" "$M/host/gone/deep" "$M/host/mode"
	cd "$M/host"
	for f in f1 f2 f3 f4 f5 f6 f7 f9 type d/x d/y gone/a gone/deep/b mode/m; do echo "$f" >"$f"; done
	setfattr -n user.old -v 1 f5
	echo h >h1
	ln h1 h2
	ln -s f1 link
	head -c 200000 /dev/urandom >big
	cd /
	[ "$SETUP" != user ] || chown -Rh "$ISLE_TEST_USER:" "$M/host"
}

changes='echo more >>f1; rm f2; ln f3 f3-too; chmod 600 f4; setfattr -n user.new -v 2 f5; mv f7 f8
	setfacl -m u:1234:r f6 2>/dev/null || setfacl -m "u:$(id -u):r" f6
	echo new >f9.tmp; mv f9.tmp f9; rm type; mkdir type; echo in >type/in; mv d e; echo z >e/z; rm e/y; rm -r gone; mkdir gone
	echo z >gone/z; chmod 700 mode; echo t >>h1; rm link; ln -s f3 link; ln -s nowhere link2; mkdir n n/sub; mkfifo n/fifo
	for i in 1 2 3 4 5 6 7 8; do echo $i >n/sub/$i; done; ln n/sub/1 n/one; head -c 100000 /dev/urandom >n/big
	dd if=/dev/urandom of=big bs=1000 seek=50 count=1 conv=notrunc 2>/dev/null; truncate -s 1M n/hole'

# operation_of PHASE: the command; isle_of PHASE: whose changes are looked at.
operation_of() {
	case $1 in
	commit) echo "commit --yes --allow=acl --criteria=write c" ;; # what else goes on has nothing to do with it
	discard) echo "discard --yes d" ;;
	partial) echo "discard --yes d $M/host/f1 $M/host/n $M/host/e $M/host/f2 $M/host/mode" ;;
	undo | redo | undiscard | unpartial) echo "undo --yes" ;;
	gc) echo "gc --keep 0" ;;
	esac
}

isle_of() {
	case $1 in
	commit | undo | redo | gc) echo c ;;
	*) echo d ;;
	esac
}

next_of() {
	case $1 in
	commit) echo undo ;;
	undo) echo redo ;;
	discard) echo undiscard ;;
	partial) echo unpartial ;;
	esac
}

busy_dir() {
	case $1 in
	undo | undiscard | unpartial) echo "$M/host" ;;
	*) echo "$M" ;;
	esac
}

mark() {
	echo "$1" >"$W/fuse/mark"
}

# Makes its own file durable again and again: a journal is written to the disk in the middle of everything, while data that
# nobody asks for stays in memory.
somebody_syncs='
import os
fd = os.open("busy", os.O_WRONLY | os.O_CREAT, 0o600)
while True:
    os.pwrite(fd, os.urandom(8), 0)
    os.fsync(fd)
'

# slowly NAME ARG...: isle with these, between the marks of NAME, while somebody syncs.
slowly() {
	local name=$1 calls=renameat2,renameat,rename,linkat,unlinkat,unlink,mkdirat,symlinkat,fchmodat,setxattr,lsetxattr,syncfs busy
	shift
	mark "$name-start"
	# Of two disks only one: then they go apart.
	(cd "$(busy_dir "$name")" && exec python3 -c "$somebody_syncs") &
	busy=$!
	as_owner strace -qq -f -o /dev/null -e "trace=$calls" -e "inject=$calls:delay_exit=2000" "$ISLE" "$@"
	mark "$name-done"
	sleep 0.2
	kill "$busy"
	wait "$busy" || true
	sync
	mark "$name-end"
}

# phase NAME: one operation.
phase() {
	local name=$1
	sync
	look "$(isle_of "$name")" >"$W/$name.before"
	# shellcheck disable=SC2046
	slowly "$name" $(operation_of "$name")
	look "$(isle_of "$name")" >"$W/$name.after"
}

# Serves $1, which grows into what has been written to it, below $W/fuse; what reaches it is logged in $D/log.
serve() {
	cp --sparse=always "$1" "$D/base"
	"$bin/logdisk" "$1" "$D/log" "$W/fuse" "$(disks)" &
	wait_for 10 mountpoint -q "$W/fuse"
}

record() {
	make_fs "$W/image"
	mkdir -p "$W/fuse"
	serve "$W/image"
	mount_fs "$W/fuse"
	mkdir -m 0700 "$ISLE_HOME"
	[ "$SETUP" != user ] || chown "$ISLE_TEST_USER:" "$M" "$ISLE_HOME"
	seed "$W/fuse"
	stat -c %d "$M" >"$W/device"
	(cd "$M/host" && isle run -q -n c -- sh -c "$changes")
	phase commit
	phase undo
	phase redo
	isle undo -q --yes
	(cd "$M/host" && isle run -q -n d -- sh -c "$changes")
	phase discard
	phase undiscard
	phase partial
	phase unpartial
	# Undo gives up what the isle in the trash once had; another isle goes on.
	look_at_host >"$W/gc.undone"
	isle commit -q --yes --allow=acl --criteria=write d
	isle log | awk 'NR == 1 { print $1 }' >"$W/gc.operation"
	isle rm -q --yes d
	phase gc
}

# Another disk than that of the recording, as after a restart, where it holds half of an operation.
mount_cut() {
	if [ $(($2 % 2)) = 0 ]; then mount_fs "$1"; else mount_elsewhere "$1"; fi
}

restart() {
	cat /proc/sys/kernel/random/uuid >"$T/boot"
	mount --bind "$T/boot" /proc/sys/kernel/random/boot_id
}

# record_again PHASE RECORD: what recovery does to a disk with the writes before that record.
record_again() {
	"$bin/cut" image "$W/log" "$W/base" "$T/image" "$2" all 1
	serve "$T/image"
	D=$W mount_cut "$W/fuse" "$2"
	restart
	[ -L "$ISLE_HOME/pending" ] || return 0 # and there is no $D/sure
	stat -c %d "$M" >"$D/device"
	slowly "$1" log >"$D/recovery" 2>&1
	absent "$ISLE_HOME/pending"
	look "$(isle_of "$1")" >"$D/sure"
}

# --- cuts ---

# Device numbers are not the same after every start.
mount_elsewhere() {
	local i
	mount_fs "$1"
	for ((i = 0; i < 8; i++)); do
		[ "$(stat -c %d "$M")" = "$(cat "$D/device")" ] || return 0
		umount -R "$M"
		truncate -s 1M "$T/other.$i"
		losetup -f "$T/other.$i" # takes the number
		at_end "losetup -d \"\$(losetup -nO NAME -j '$T/other.$i')\""
		mount_fs "$1"
	done
	fail "cannot get another device number"
}

# first_of NUMBER: the first command after the restart. Any of them recovers.
first_of() {
	case $1 in
	0) echo status ;;
	1) echo log ;;
	2) echo undo --yes 999999 ;;
	3) echo run -n other -- true ;;
	esac
}

# judge WHAT WANTED: the state as it is now.
judge() {
	diff "$2" "$T/now" >&2 || fail "$1"
}

# What gc leaves can be undone as a whole or not at all, and another gc frees the rest.
judge_gc() {
	if isle undo --yes "$(cat "$W/gc.operation")"; then
		look_at_host >"$T/now"
		judge "undone after a gc" "$W/gc.undone"
	else
		look c >"$T/now"
		judge "not undone after a gc" "$W/gc.after"
	fi
	look c >"$T/before-gc"
	isle gc -q --keep 0
	look c >"$T/now"
	judge "another gc" "$T/before-gc"
	same "$(find "$ISLE_HOME/undo" "$ISLE_HOME/trash" -mindepth 1)" "" "not freed"
}

# XFS does not promise to read what it has written over when only some sectors of that are there.
readable() {
	local disk
	[ "$FS $1" = "xfs torn" ] || return 0
	for ((disk = 0; disk < $(disks); disk++)); do
		mount_disk "$disk" "$T/image" "$M" || return 1
		umount "$M"
	done
}

# cut PHASE RECORD HOW SEED: one line that says how it went.
cut() {
	local name=$1 number=$2 isle next outcome=back
	isle=$(isle_of "$name") next=$(next_of "$name")
	"$bin/cut" image "$D/log" "$D/base" "$T/image" "${@:2}"
	if ! readable "$3"; then
		echo "outcome unreadable"
		return
	fi
	mount_cut "$T/image" "$number"
	at_end 'umount -l "$M"'
	mount -t tmpfs -o mode=700 tmpfs "$W/fuse" # the same mounts as at the time of the recording
	restart

	# shellcheck disable=SC2046
	isle $(first_of $((number / 2 % 4))) >"$T/recovery" 2>&1 || true
	cat "$T/recovery"
	hasnt "$(cat "$T/recovery")" "could not take back"
	absent "$ISLE_HOME/pending"
	look "$isle" >"$T/now"
	if cmp -s "$T/now" "$W/$name.after"; then
		outcome=forth
	elif [ "$number" -le "$(cat "$D/done")" ]; then
		judge "between" "$W/$name.before"
	fi
	[ "$number" -le "$(cat "$D/done")" ] || judge "had ended" "$D/sure"
	# The isle is whole: what was taken back can be done, what was done can be taken back.
	if [ $outcome = back ]; then
		# shellcheck disable=SC2046
		isle $(operation_of "$name")
		look "$isle" >"$T/now"
		judge "done again" "$W/$name.after"
	fi
	if [ -n "$next" ]; then
		# shellcheck disable=SC2046
		isle $(operation_of "$next")
		look "$isle" >"$T/now"
		judge "taken back" "$W/$next.after"
	fi
	[ "$name" != gc ] || judge_gc
	absent "$ISLE_HOME/pending"
	same "$(find "$M/host" -name '.isle*')" "" "left on the host"
	echo "outcome $outcome"
}

# cuts PHASE: RECORD HOW SEED of each, all or a sample. The end of the operation is always there.
cuts() {
	awk -v phase="$1" -v count="$CUTS" -v seed="$SEED" '
	$2 == "mark" { at[$3] = $1 }
	$2 == "flush" { flushes[++n] = $1 }
	function all_at(record) {
		print record, "flush", 0
		print record, "all", 0
		print record, "some", seed + 1
		print record, "torn", seed + 2
	}
	function any(record, how) { lines[++m] = record " " how " " int(rand() * 1000000) }
	END {
		srand(seed)
		first = at[phase "-start"]; done = at[phase "-done"]; last = at[phase "-end"]
		all_at(done + 1)
		print last, "some", seed
		for (i = 1; i <= n; i++) {
			if (flushes[i] <= first || flushes[i] >= last) continue
			if (flushes[i] > done && count != "full") continue
			any(flushes[i] + 1, "flush")
			for (k = 0; k < 2; k++) any(flushes[i], "some")
			any(flushes[i], "torn")
		}
		for (i = 0; i < n; i++) {
			record = first + 1 + int(rand() * (done - first - 1))
			any(record, i % 3 == 0 ? "all" : i % 3 == 1 ? "some" : "torn")
		}
		if (count == "full") count = m
		for (i = 1; i <= count && i <= m; i++) {
			k = i + int(rand() * (m - i + 1))
			line = lines[k]; lines[k] = lines[i]
			print line
		}
	}' "$D/list"
}

# Runs one cut for xargs; what it says is shown if it failed.
one_cut() {
	local log=$D/out.$1.$2.$3.$4
	if STAGE="cut" apart bash "$script" "$@" >"$log" 2>&1; then
		tail -n 1 "$log" >>"$D/outcomes"
		rm "$log"
	else
		echo "cut $*" >>"$W/failed"
		echo "FAIL: $FS $SETUP${AGAIN:+, again $AGAIN}, $*:"
		tail -n "${POWERLOSS_LINES:-30}" "$log" | sed 's/^/    /'
	fi
}

# replay PHASE: cuts of what is in $D.
replay() {
	local name=$1 made
	awk -v mark="$name-done" '$3 == mark { print $1 }' "$D/list" >"$D/done"
	: >"$D/outcomes"
	cuts "$name" >"$D/cuts"
	made=$(wc -l <"$D/cuts")
	STAGE=one xargs -P "${POWERLOSS_JOBS:-2}" -L 1 bash "$script" "$name" <"$D/cuts"
	echo "$FS $SETUP $name${AGAIN:+, recovery of $AGAIN}: $made cuts, $(grep -c back "$D/outcomes" || true) taken back," \
		"$(grep -c forth "$D/outcomes" || true) done$(grep -q unreadable "$D/outcomes" && echo ", the rest not readable for XFS" || true)"
}

# again PHASE PERCENT: the power goes when so much of the operation is over, so that there is something to recover; and then
# once more, while it is recovered. What is on the disk when is different each time: if there was nothing, somewhat earlier or later.
again() {
	local name=$1 percent record
	export AGAIN D=$W/again
	for percent in $(seq "$2" -6 1) $(seq "$2" 5 99) $(seq 1 2 99); do
		AGAIN=$name:$percent
		record=$(awk -v name="$name" -v percent="$percent" '
			$2 == "mark" { at[$3] = $1 }
			END { first = at[name "-start"]; print first + int((at[name "-done"] - first) * percent / 100) }' "$W/list")
		rm -rf "$D"
		mkdir "$D"
		STAGE=record_again apart bash "$script" "$name" "$record"
		[ ! -s "$D/sure" ] || break
	done
	[ -s "$D/sure" ] || fail "$FS $SETUP $1:$2: nothing to recover"
	"$bin/cut" list "$D/log" >"$D/list"
	replay "$name"
	rm -r "$D"
	unset AGAIN
}

# --- stages ---

# What is done if nothing is said: not all of everything with every file system, since that takes minutes.
setups_of() {
	case $1 in
	ext4) echo plain bind two user ;;
	*) echo plain bind two ;;
	esac
}

phases_of() {
	case $1 in
	user) echo commit undo discard undiscard gc ;;
	*) echo commit undo redo discard undiscard partial unpartial gc ;;
	esac
}

again_of() {
	case $1 in
	ext4) echo commit:50 ;; # taken back
	*) echo undo:97 ;;      # completed
	esac
}

test_fs() {
	local name word
	export FS=$1 SETUP=$2
	export W=$T/$FS-$SETUP
	export M=$W/m D=$W
	mkdir "$W"
	mount -t tmpfs -o size=3G,mode=755 tmpfs "$W"
	mkdir "$M"
	STAGE=record TMPDIR=$W apart bash "$script"
	"$bin/cut" list "$W/log" >"$W/list"
	for name in ${POWERLOSS_PHASES:-$(phases_of "$SETUP")}; do
		cp "$W/$name.after" "$W/sure"
		TMPDIR=$W replay "$name"
	done
	for word in ${POWERLOSS_AGAIN:-$(again_of "$FS")}; do
		TMPDIR=$W again "${word%:*}" "${word#*:}"
	done
	[ ! -s "$W/failed" ] || failed=$((failed + $(wc -l <"$W/failed")))
	umount "$W"
}

export ISLE_HOME=${M:-$T}/store
case ${STAGE:-} in
record) record ;;
record_again) record_again "$@" ;;
cut) cut "$@" ;;
one) one_cut "$@" ;;
apart)
	failed=0
	chmod 755 "$T" # for the user
	for fs in ${POWERLOSS_FS:-ext4 xfs}; do
		for setup in ${POWERLOSS_SETUP:-$(setups_of "$fs")}; do test_fs "$fs" "$setup"; done
	done
	[ $failed -eq 0 ] || fail "$failed cuts failed"
	;;
*)
	need strace python3 getfattr getfacl mkfs.ext4 mkfs.xfs losetup
	[ -e /dev/fuse ] && [ -e /dev/loop-control ] || skip "no loop devices, or no FUSE"
	for bin in "$(dirname "$ISLE")" "$(dirname "$ISLE")/../../tests/powerloss"; do
		[ ! -x "$bin/logdisk" ] || break
	done
	[ -x "$bin/logdisk" ] || skip "not built, since libfuse3-dev is not installed"
	[ -n "${ISLE_TEST_USER:-}" ] || skip "no test user: run this through tests/run"
	export bin CUTS=${POWERLOSS_CUTS:-2} SEED=${POWERLOSS_SEED:-1}
	STAGE=apart apart bash "$script"
	nothing_left
	;;
esac
