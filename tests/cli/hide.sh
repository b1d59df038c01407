#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is hidden stays hidden: run after run, whatever the isle renames, under every name, and from sandboxes inside.
# runs-as: root user
# time-limit: 240
. "$(dirname "$0")/../lib.sh"

need python3 unshare
cd "$T"
cat >swap.py <<'END'
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
sys.exit(libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2) != 0)
END

# make DIR: a tree with secrets.
make() {
	mkdir -p "$1/dir/deep/safe/sub"
	echo SECRET | tee "$1/dir/key" "$1/dir/deep/safe/sub/key" "$1/dir/deep/safe/key" "$1/dir/deep/key" >/dev/null
	mkdir "$1/other"
	echo plain >"$1/dir/plain"
}

run() {
	isle run -q -n one --net none "$@"
}

# nothing_in DIR OPTION...: no secret is to be read anywhere below DIR, and what is not hidden is.
nothing_in() {
	local dir=$1
	shift
	for mode in "" --no-track --nest; do
		# shellcheck disable=SC2086
		same "$(run $mode "$@" -- sh -c "grep -r SECRET '$dir' 2>/dev/null || true")" "" "mode '$mode' with $*"
	done
	has "$(run "$@" -- find "$dir" -name plain)" plain
}

hides=(--hide "$T/a/dir/key" --hide "$T/a/dir/deep/safe" --hide "$T/a/dir/deep/key")
fresh() {
	[ ! -d a ] || { rm -rf a && isle rm -qy one; }
	make a
}

# The directory above, renamed while the covers are on, and before there were any. An ordinary user's isle copies then
# what it renames, and what it copied before is its own.
for with in hidden open; do
	first=()
	[ $with = open ] || first=("${hides[@]}")
	for deed in 'mv a/dir a/new' \
		'mv a/dir/deep a/dir/deeper; mv a/dir a/other/dir; mv a/other a/third; mkdir -p a/dir/deep' \
		'python3 swap.py a/dir a/other; python3 swap.py a/other/deep a/other/new; mv a/other/deep a/dir/x' \
		'mv a/dir a/x && mv a/x a/dir; mv a/dir/deep a/dir/y && mv a/dir/y a/dir/deep' \
		'mv a/dir/deep/safe/sub a/sub; mv a/dir/deep/safe/key a/safe-key' \
		'chmod 700 a/dir a/dir/deep; chmod 640 a/dir/key; mv a/dir/deep/safe a/moved; mv a/dir/key a/moved-key'; do
		fresh
		run "${first[@]}" -- sh -c "$deed; true" 2>/dev/null
		# A file that was itself moved before is the isle's, but for the content that it has only from the host.
		if is_root || [ $with = hidden ]; then nothing_in "$T/a" "${hides[@]}"; fi
	done
done

# In a run that joins, and after a refresh.
fresh
run --linger 30 "${hides[@]}" -- sh -c 'mv a/dir a/new; true' 2>/dev/null
isle refresh one
same "$(run "${hides[@]}" -- sh -c 'grep -r SECRET a; grep -r SECRET /proc/1/root/$PWD/a /proc/self/cwd/a; true' 2>/dev/null)" ""
isle run -q -n one --net none "${hides[@]}" -- true

# As an ordinary user a rename is a copy, and a copy cannot be made of what is hidden.
fresh
run "${hides[@]}" -- sh -c 'mv a/dir a/new; cp -r a/dir a/copy; ln a/dir/key a/linked; true' 2>/dev/null
is_root || same "$(run -- sh -c 'cat a/new/key a/copy/key a/copy/deep/safe/key a/linked 2>/dev/null')" ""

# What the isle has put in the place is covered, too. What it copied before is its own.
fresh
run -- sh -c 'cp a/dir/key a/kept; echo MINE >a/dir/key; rm -r a/dir/deep; mkdir -p a/dir/deep/safe; echo MINE >a/dir/deep/safe/key'
same "$(run "${hides[@]}" -- sh -c 'cat a/dir/key a/dir/deep/safe/key 2>/dev/null; cat a/kept')" SECRET
run -- sh -c 'rm -r a/dir/deep a/dir/key; ln -s ../kept a/dir/key'
run "${hides[@]}" -- true
# Replaced by a file, and gone.
run -- sh -c 'rm -r a/dir; echo file >a/dir'
same "$(run "${hides[@]}" -- cat a/dir)" file

# A sandbox inside cannot take a cover off, nor get at the name below it: not in a tree that it has detached.
cat >trick.py <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
top, uid, gid = os.getcwd(), os.getuid(), os.getgid()
if libc.unshare(0x10000000 | 0x20000) != 0:
    sys.exit("no namespaces")
for name, text in ("setgroups", "deny"), ("uid_map", "0 %d 1" % uid), ("gid_map", "0 %d 1" % gid):
    with open("/proc/self/" + name, "w") as file:
        file.write(text)
for cover in "a/dir/key", "a/dir/deep/safe":
    if libc.umount2(cover.encode(), 2) == 0 or libc.mount(cover.encode(), b"/mnt", None, 0x2000, None) == 0:
        print("the cover came off")
a = os.open("a", os.O_RDONLY)
libc.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None)
os.mkdir("/mnt/old")
if libc.pivot_root(b"/mnt", b"/mnt/old") if hasattr(libc, "pivot_root") else libc.syscall(155, b"/mnt", b"/mnt/old"):
    sys.exit("no pivot_root")
os.chdir("/")
if libc.umount2(b"/old", 2) != 0:
    sys.exit("no umount")
for name in "dir/key", "dir/deep/safe", "dir/deep/key":
    try:
        os.rename(name, name.replace("/", "-"), src_dir_fd=a, dst_dir_fd=a)
    except OSError as error:
        pass
print("done")
END
fresh
if [ "$(uname -m)" = x86_64 ]; then
	has "$(run --nest "${hides[@]}" -- sh -c 'python3 trick.py; grep -r SECRET a 2>/dev/null' 2>&1 || true)" "done"
	out=$(run --nest "${hides[@]}" -- sh -c "python3 trick.py; grep -r SECRET a" 2>&1 || true)
	hasnt "$out" SECRET
	hasnt "$out" "came off"
	nothing_in "$T/a" "${hides[@]}"
fi

# overlayfs's own attributes cannot be written from inside.
fresh
cat >forge.py <<'END'
import os
os.makedirs("a/forged", exist_ok=True)
for space in "trusted", "user":
    for name, value in ("redirect", b"/" + os.getcwd().encode() + b"/a/dir"), ("redirect", b"dir"), ("opaque", b"y"), ("metacopy", b""), ("origin", b"x"):
        for path in "a/forged", "a/other":
            try:
                os.setxattr(path, space + ".overlay." + name, value)
            except OSError:
                pass
END
run --nest "${hides[@]}" -- python3 forge.py
same "$(run "${hides[@]}" -- sh -c 'grep -r SECRET a 2>/dev/null; ls -A a/forged')" ""
same "$(run -- sh -c 'ls -A a/forged')" ""

# The store is hidden in the same way.
make h
mkdir h/dir/stores
ISLE_HOME=$T/h/dir/stores isle run -q -n inner --net none -- sh -c 'mv h/dir h/new; true' 2>/dev/null
same "$(ISLE_HOME=$T/h/dir/stores isle run -q -n inner --net none -- sh -c 'ls -A h/*/stores/*' 2>/dev/null || true)" ""
if is_root; then
	same "$(ISLE_HOME=$T/h/dir/stores isle run -q -n inner --net none -- find h/new -name plain)" h/new/plain
	same "$(ISLE_HOME=$T/h/dir/stores isle status inner | grep -c stores || true)" 0
fi

# What names nothing is refused, and nothing runs.
status_is 125 isle run --discard --hide "$T/nowhere" --hide "$T/a" -- touch "$T/ran" 2>err
has "$(cat err)" "cannot hide $T/nowhere: No such file or directory"
# Hard links are said.
ln a/dir/key a/second
isle run --discard --net none --hide "$T/a/dir/key" -- true 2>err
has "$(cat err)" "has 2 names (hard links)"
isle run --discard --net none --hide "$T/a/dir/deep/key" -- true 2>err
hasnt "$(cat err)" "hard links"
# The host's file is as it was.
content a/dir/key SECRET

# Other mounts that lead to it, and to parts of it; also as an ordinary user.
if is_root; then
	# Not below $T, which is closed to others.
	W=$(mktemp -d /var/tmp/isle-hide.XXXXXX)
	at_end 'rm -rf --one-file-system "$W"'
	chmod 755 "$W"
	cd "$W"
	make a
	mkdir alias part whole users
	hides=("${hides[@]//"$T"/"$W"}")
	isle rm -qy one
	cat >aliases.sh <<-'END'
		mount --bind a/dir alias
		mount --bind a/dir/deep/safe part
		mount --bind a whole
		uid=$1
		shift
		as=(env)
		[ "$uid" = 0 ] || as=(setpriv --reuid="$uid" --regid="$uid" --clear-groups env ISLE_HOME="$W/users" HOME="$W/users")
		"${as[@]}" "$ISLE" run -q -n one --net none "$@" -- sh -c 'grep -r SECRET a alias part whole; mv whole/dir whole/new; mv alias/deep alias/new; true' 2>/dev/null
		"${as[@]}" "$ISLE" run -q -n one --net none "$@" -- sh -c 'grep -r SECRET a alias part whole; true' 2>/dev/null
		"${as[@]}" "$ISLE" run -q -n one --net none "$@" -- sh -c 'test ! -e a/dir/plain || cat a/dir/plain'
		"${as[@]}" "$ISLE" rm -qy one
	END
	export W
	for uid in 0 4242; do
		chown -R $uid:$uid a users
		same "$(unshare -m bash aliases.sh $uid "${hides[@]}")" plain
		same "$(unshare -m bash aliases.sh $uid --hide "$W/a/dir")" ""
	done
fi
