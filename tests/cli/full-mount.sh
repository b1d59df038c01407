#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A file system that is full, which has nothing to do with what is run, keeps nobody from running it: what an isle changes there is
# kept in the store. Only changes that an isle already has there need some room to be shown, and that is said.
# runs-as: root
# time-limit: 60
. "$(dirname "$0")/../lib.sh"
need mkfs.ext4 unshare setpriv

# In a mount namespace of its own: the rest of the machine does not see the disk.
if [ -z "${FULL_MOUNT:-}" ]; then
	FULL_MOUNT=1 unshare -m --propagation private bash "$(readlink -f "$0")"
	exit
fi
make_disk() {
	truncate -s "$1" "$T/disk"
	mkfs.ext4 -q -m 0 -O ^has_journal "$T/disk"
	mount -o loop "$T/disk" "$2"
	rm "$T/disk"
}
make_disk 60M /mnt
chmod 755 /mnt
at_end 'umount -l /mnt'
unset ISLE_PLACES
F=/mnt/full
mkdir "$F"

fill_up() {
	local i=0
	if [ "$1" = files ]; then
		while : >"$F/fill$i"; do i=$((i + 1)); done 2>/dev/null || true
	else
		dd if=/dev/zero of="$F/fill" bs=1k 2>/dev/null || true
		for ((i = 0; i < 9; i++)); do mkdir "$F/fill$i" 2>/dev/null || true; done
	fi
}

for who in root "$ISLE_TEST_USER"; do
	become=(env "HOME=/mnt/$who" "ISLE_HOME=/mnt/$who/store")
	mkdir "/mnt/$who"
	chown "$who:" "/mnt/$who"
	[ "$who" = root ] || become=(setpriv --reuid "$who" --regid "$who" --init-groups "${become[@]}")
	run() {
		local name=$1
		shift
		(cd "/mnt/$who" && "${become[@]}" "$ISLE" run -n "$name" --keep --net none -- "$@" </dev/null) 2>"$T/said"
	}
	# Also what lies in places outside the store.
	forget() {
		local name
		for name in "/mnt/$who/store/names/"*; do
			[ ! -L "$name" ] || "${become[@]}" "$ISLE" rm -q --yes "${name##*/}"
		done
		"${become[@]}" "$ISLE" gc -q
	}
	at_end forget
	for what in blocks files; do
		make_disk 4M "$F"
		chmod 1777 "$F"
		echo host >"$F/file"
		chown "$who:" "$F/file"
		run empty-$what true
		run changed-$what sh -c "echo isle >>$F/file; echo more >mine"
		fill_up $what

		# A new isle, which can change what is there.
		run new-$what sh -c "cat $F/file; echo isle >>$F/file" >"$T/out"
		same "$(cat "$T/out")" host
		has "$(cat "$T/said")" "$F is full"
		run new-$what cat "$F/file" >"$T/out"
		same "$(cat "$T/out")" $'host\nisle'
		hasnt "$(cat "$T/said")" "is full" # once is enough
		# One that has not changed anything there yet.
		run empty-$what sh -c "echo isle >>$F/file; cat $F/file" >"$T/out"
		same "$(cat "$T/out")" $'host\nisle'
		has "$(cat "$T/said")" "$F is full"
		content "$F/file" host
		# One that has: it runs, with its changes, or it says what is in the way.
		status=0
		run changed-$what cat "$F/file" mine >"$T/out" || status=$?
		if [ $status = 0 ]; then
			same "$(cat "$T/out")" $'host\nisle\nmore'
		else
			same $status 125
			has "$(cat "$T/said")" "$F"
			has "$(cat "$T/said")" "hint: it is full"
		fi
		rm -r "$F"/fill*
		run changed-$what cat "$F/file" mine >"$T/out"
		same "$(cat "$T/out")" $'host\nisle\nmore'
		# Across file systems, too, it can be committed.
		"${become[@]}" "$ISLE" commit -q --yes new-$what
		content "$F/file" $'host\nisle'
		forget
		umount "$F"
	done
done
