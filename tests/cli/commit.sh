#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Commit does on the host what the program would have done there: each script of the table runs natively in one copy of a
# tree and in an isle in another; after the commit both are the same, the isle has no changes, and undo brings back what was.
# runs-as: root user
# time-limit: 300
. "$(dirname "$0")/../lib.sh"
# On an ext4 of its own the layer shall lie there, and go with it.
[ "${COMMIT_MOUNT:-}" != ext4 ] || unset ISLE_PLACES

H=$T N=$T # host and native
if [ -n "${COMMIT_MOUNT:-}" ]; then
	# A mount of its own: a rename from the store to it is EXDEV.
	H=$T/mount N=$T/mount
	mkdir "$H"
	case $COMMIT_MOUNT in
	bind) mount --bind "$H" "$H" ;;
	tmpfs) mount -t tmpfs -o mode=755 tmpfs "$H" ;;
	fuse)
		mkdir "$T/below"
		bindfs -o attr_timeout=0,entry_timeout=0 "$T/below" "$H"
		;;
	ext4)
		truncate -s 200M "$T/image"
		mkfs.ext4 -q "$T/image"
		mount -o loop "$T/image" "$H"
		;;
	esac
	at_end 'umount -l "$H"'
fi

seed() {
	mkdir -p "$1"/d/sub "$1"/e "$1"/locked "$1"/empty
	echo one >"$1/f1"
	echo two >"$1/f2"
	echo three >"$1/d/f3"
	echo four >"$1/d/sub/f4"
	echo five >"$1/e/f5"
	ln -s f1 "$1/link"
	mkfifo "$1/pipe"
	echo attributes >"$1/attributes"
	setfattr -n user.seed -v 1 "$1/attributes"
	setfacl -m u:12:r "$1/attributes"
	echo linked >"$1/h1"
	ln "$1/h1" "$1/h2"
	head -c 3000000 /dev/zero >"$1/big"
	chmod 555 "$1/locked"
	# As a user, what is renamed in the isle is copied and loses its other names.
	if is_root; then
		ln "$1/h1" "$1/d/h3"
		chown 12:34 "$1/f2"
	fi
}

# All but times and inode numbers; hard links as groups. The count of links is not compared: a name that was removed is kept
# for undo, and counts.
shape() {
	(
		cd "$1"
		find . \( -type d -printf '%p %y %m %U:%G\n' \) -o -printf '%p %y %m %U:%G %s %l\n' | sort
		[ -n "${without_links:-}" ] || find . -type f -links +1 -printf '%i %p\n' | sort -k2 |
			awk '{ g[$1] = g[$1] " " $2; n[$1]++ } END { for (i in g) if (n[i] > 1) print g[i] }' | sort
		find . -type f -print0 | sort -z | xargs -0r sha256sum --
		if command -v getfattr >/dev/null; then getfattr -Rhd -m - . 2>/dev/null; fi
		if command -v getfacl >/dev/null; then getfacl -Rp --skip-base . 2>/dev/null; fi
	)
}

# A saved shape without the groups of links, where those cannot come back.
wanted() {
	if [ -n "${without_links:-}" ]; then grep -av '^ ' "$1"; else cat "$1"; fi
}

# What stands after an undo: times of files too, but not of directories.
state() {
	shape "$1"
	(cd "$1" && find . ! -type d -printf '%p %T@\n' | sort)
}

count=0
try() { # NAME SCRIPT
	local name=$1 script=$2
	# shellcheck disable=SC2053 # COMMIT_ONLY is a pattern
	[[ $name == ${COMMIT_ONLY:-*} ]] || return 0
	count=$((count + 1))
	rm -rf "$N/native" "$H/host"
	seed "$N/native"
	seed "$H/host"
	(cd "$N/native" && sh -eu -c "$script") || fail "$name: the script fails natively"
	state "$H/host" >"$T/before"
	(cd "$H/host" && "$ISLE" run -q -n "case$count" -- sh -eu -c "$script") || fail "$name: the script fails in the isle"
	state "$H/host" >"$T/during"
	diff "$T/before" "$T/during" >&2 || fail "$name: the host changed before the commit"
	operations=$("$ISLE" log | wc -l)
	(cd "$H/host" && "$ISLE" commit -q --yes --allow=all ${options:+"$options"} "case$count") || fail "$name: commit failed"
	shape "$N/native" >"$T/want"
	shape "$H/host" >"$T/got"
	diff "$T/want" "$T/got" >&2 || fail "$name: the host is not as natively"
	status_is 0 "$ISLE" status "case$count" >"$T/out" || fail "$name: changes are left: $(cat "$T/out")"
	! getfattr -Rhd -m - "$H/host" 2>/dev/null | grep -q overlay || fail "$name: overlay attributes on the host"
	# In the isle it looks the same afterwards.
	(cd "$H/host" && "$ISLE" run -q -n "case$count" -- find . -type d -printf '%p %y %m\n' -o -printf '%p %y %m %s %l\n') | sort >"$T/inside"
	(cd "$H/host" && find . -type d -printf '%p %y %m\n' -o -printf '%p %y %m %s %l\n') | sort >"$T/outside"
	diff "$T/outside" "$T/inside" >&2 || fail "$name: the isle looks different after the commit"
	if [ "$("$ISLE" log | wc -l)" = "$operations" ]; then # there was nothing to commit
		diff "$T/before" <(state "$H/host") >&2
		return 0
	fi
	"$ISLE" undo -q --yes || fail "$name: undo failed"
	# What was copied has lost the names that stayed.
	case ${COMMIT_MOUNT:-} in bind | tmpfs | fuse) local without_links=1 ;; esac
	wanted "$T/before" >"$T/wanted"
	state "$H/host" >"$T/got"
	diff "$T/wanted" "$T/got" >&2 || fail "$name: undo does not bring back what was"
	"$ISLE" undo -q --yes || fail "$name: redo failed"
	wanted "$T/want" >"$T/wanted"
	shape "$H/host" >"$T/got"
	diff "$T/wanted" "$T/got" >&2 || fail "$name: redo is not as natively"
	chmod -R u+rwx "$H/host" "$N/native"
}

# The commit is refused as a whole, with a reason.
refused() { # NAME SCRIPT
	local name=$1 script=$2
	# shellcheck disable=SC2053
	[[ $name == ${COMMIT_ONLY:-*} ]] || return 0
	count=$((count + 1))
	rm -rf "$H/host"
	seed "$H/host"
	state "$H/host" >"$T/before"
	(cd "$H/host" && "$ISLE" run -q -n "case$count" -- sh -eu -c "$script") || fail "$name: the script fails in the isle"
	status_is 1 "$ISLE" commit -q --yes --allow=all "case$count" 2>"$T/err"
	has "$(cat "$T/err")" "these cannot be in one commit"
	diff "$T/before" <(state "$H/host") >&2 || fail "$name: the host changed"
}

try create 'echo new >n; mkdir -p x/y; echo a >x/y/a; ln -s nowhere l; mkfifo p'
try modify 'echo more >>f1; echo other >f2; : >d/f3'
try delete 'rm f1 link pipe; rm -r d/sub'
try delete-tree 'rm -r d e'
try chmod 'chmod 600 f1; chmod 700 d; chmod 1777 e; chmod 4711 d/f3'
try rename-file 'mv f1 renamed'
try rename-then-modify 'mv f1 b; echo b >b; echo new >f1'
try rename-onto 'mv f1 f2'
try rename-dir 'mv d moved; echo y >moved/y; rm moved/f3'
try rename-dir-into-new 'mkdir n; mv d n/d; echo x >n/d/sub/f4'
try rename-dirs-around 'mv d t; mv e d; mv t e; echo x >d/x; echo y >e/y'
try rename-nested 'mv d/sub s; mv d dd; echo 1 >s/1; echo 2 >dd/2'
try swap-files 'mv f1 t; mv f2 f1; mv t f2'
try replace-file-by-dir 'rm f1; mkdir f1; echo in >f1/in'
try replace-dir-by-file 'rm -r d; echo file >d'
try replace-dir-by-link 'rm -r d; ln -s e d'
try replace-link 'rm link; echo real >link'
try replace-attributes 'echo more >>attributes; setfattr -x user.seed attributes; setfacl -b attributes'
options=--replace=write try replace-in-place 'echo more >>attributes; setfattr -x user.seed attributes; setfacl -b attributes'
try relink 'ln -sf f2 link'
try opaque 'rm -r d; mkdir d; echo only >d/only; mkdir d/sub; echo n >d/sub/n'
try hardlink-write 'echo through >>h1'
try hardlink-new 'ln f1 g1; ln f1 d/g2'
try hardlink-group 'echo g >g1; ln g1 g2; mkdir n; ln g1 n/g3'
try hardlink-inside 'mkdir n; echo g >n/a; ln n/a n/b'
try hardlink-remove 'rm h2'
try hardlink-replace 'ln -f f1 f2'
for other in 'mkdir h2' 'mkfifo h2' 'echo z >h2' 'mv f1 h2'; do
	if is_root; then # as a user a change parts the names
		# On another mount it takes two commits.
		case ${COMMIT_MOUNT:-} in bind | tmpfs | fuse)
			refused "hardlink-changed-and-$other" "chmod 640 h1; rm h2; $other"
			continue
			;;
		esac
		try "hardlink-changed-and-$other" "chmod 640 h1; rm h2; $other"
		try "hardlink-written-and-$other" "echo y >>h1; rm h2; $other"
	fi
done
try sparse 'truncate -s 1G hole; printf x | dd of=hole bs=1 seek=500000000 conv=notrunc status=none'
try nothing 'echo t >t; rm t; mkdir m; echo x >m/x; rm -r m; for i in 1 2 3 4 5 6 7 8 9; do : >t$i; done; rm t?'
try append-big 'echo tail >>big'
try modes 'mkdir -m 700 a; mkdir -m 555 b; umask 077; echo s >s; mkdir c; echo x >c/x; chmod 500 c'
try names "echo 1 >'a b'; echo 2 >'
new line'; echo 3 >'-dash'; mkdir 'x
y'; echo 4 >'x
y/\"q\"'; printf 5 >\"\$(printf '\\377')\""
try deep 'p=.; for i in $(seq 60); do p=$p/d$i; done; mkdir -p $p; echo end >$p/end'
try touch 'touch -d 2001-02-03 f1'
if is_root; then
	try owner 'chown 55:66 f1 d; chown -h 7:8 link'
	try owner-new 'echo x >o; chown 5:6 o; mkdir od; chown 5:6 od; echo y >od/y'
	try xattr 'setfattr -n user.a -v 1 f1; setfattr -n user.b -v 2 d'
	try caps 'cp /bin/true prog; setcap cap_net_raw+ep prog'
	try acl 'setfacl -m u:12:r f1; setfacl -d -m u:12:rx e'
else
	try xattr 'setfattr -n user.a -v 1 f1; setfattr -n user.b -v 2 d'
	try acl 'setfacl -m u:$(id -u):r f1; setfacl -d -m u:$(id -u):rx e'
fi
[ -n "${COMMIT_MOUNT:-}" ] || nothing_left
