#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Mounts that are read-only on the host: inside, nothing in them is the host's object. Sockets refuse, pipes are the isle's
# own, a proc below is not shown, and what is writable below is the isle's.
# runs-as: root
# time-limit: 240
[ -n "${VIEW_LAYOUT:-}" ] || VIEW_LAYOUT=1 exec unshare -m --propagation private bash "$0"
. "$(dirname "$0")/../lib.sh"

need setpriv mksquashfs python3 findmnt
chmod 755 "$T"
uid=4242
base=$T/m
mkdir "$base"
mount -t tmpfs -o mode=755 m "$base"
# Here and below: off, also while a keeper that is just ending has something of it open.
at_end 'umount -l "$base"'
mkdir -p "$base"/{plain/deep,plain/proc,plain/tmp,plain/rw,plain/sub,one,image,under,flat} "$T/home" "$T/tools"
chown $uid:$uid "$T/home"

# The host's side: servers on every kind of socket, a reader of each pipe that notes what it gets.
cat >"$T/tools/host.py" <<'END'
import os, select, socket, sys
log = open(sys.argv[1], "a", buffering=1)
watched = {}
for path in sys.argv[2:]:
    if path.endswith(".pipe"):
        os.mkfifo(path)
        os.chmod(path, 0o666)
        watched[os.open(path, os.O_RDWR | os.O_NONBLOCK)] = path
        continue
    kind = socket.SOCK_DGRAM if path.endswith(".dgram") else socket.SOCK_STREAM
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(path)
    os.chmod(path, 0o666)
    if kind == socket.SOCK_STREAM:
        s.listen(8)
    watched[s] = path
print("ready", flush=True)
while True:
    for thing in select.select(list(watched), [], [])[0]:
        what = watched[thing]
        if isinstance(thing, int):
            os.read(thing, 100)
        elif thing.type == socket.SOCK_DGRAM:
            thing.recv(100)
        else:
            thing.accept()[0].close()
        log.write("reached " + what + "\n")
END
cat >"$T/tools/inside.py" <<'END'
import errno, os, socket, stat, sys
def attempt(path):
    try:
        mode = os.lstat(path).st_mode
        if path.endswith(".pipe"):
            if not stat.S_ISFIFO(mode):
                return "covered"
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(fd, b"from the isle")
            return "REACHED"
        kind = socket.SOCK_DGRAM if path.endswith(".dgram") else socket.SOCK_STREAM
        s = socket.socket(socket.AF_UNIX, kind)
        s.connect(path)
        s.send(b"x")
        return "REACHED"
    except OSError as error:
        return errno.errorcode[error.errno]
for path in sys.argv[1:]:
    for change in (lambda: os.chmod(path, 0o600), lambda: os.utime(path)):
        try:
            change()
        except OSError as error:
            pass
    print(os.path.basename(path), attempt(path))
END
python3 -B "$T/tools/host.py" "$base/log" "$base"/plain/{a.sock,b.dgram,c.pipe} "$base"/plain/deep/{d.sock,e.pipe} "$base"/plain/sub/{s.sock,t.pipe} \
	"$base"/one/{f.sock,g.pipe,h.dgram} >"$base/ready" &
# shellcheck disable=SC2034 # used when the script ends
server=$!
at_end 'kill $server; wait $server || true'
until grep -q ready "$base/ready"; do sleep 0.05; done
touch "$base/log"
before=$(stat -c '%n %a %u %Y' "$base"/plain/{a.sock,c.pipe} "$base"/one/*)

# The layout: a read-only bind with a proc, a tmpfs, a writable and a further read-only mount below; single files.
mount --bind "$base/plain" "$base/plain"
mount -o remount,bind,ro "$base/plain"
mount -t proc proc "$base/plain/proc"
mount -t tmpfs -o mode=1777 t "$base/plain/tmp"
mkdir -m 1777 "$T/writable"
mount --bind "$T/writable" "$base/plain/rw"
echo 'the host' >"$T/writable/file"
chown -R $uid:$uid "$T/writable"
mount --bind "$base/plain/sub" "$base/plain/sub"
mount -o remount,bind,ro "$base/plain/sub"
echo text >"$base/one/regular"
touch "$base/under"/{docker.sock,pipe,regular,null}
echo 'what lies under' | tee "$base/under/docker.sock" "$base/under/pipe" >/dev/null
mount --bind "$base/one/f.sock" "$base/under/docker.sock"
mount -o remount,bind,ro "$base/under/docker.sock"
mount --bind "$base/one/g.pipe" "$base/under/pipe" # writable, as docker.sock mostly is
mount --bind "$base/one/regular" "$base/under/regular"
mount -o remount,bind,ro "$base/under/regular"
mount --bind /dev/null "$base/under/null"
mount -o remount,bind,ro "$base/under/null"
mkdir "$T/tree"
echo packed >"$T/tree/file"
mkfifo "$T/tree/p.pipe"
chmod 666 "$T/tree/p.pipe"
mksquashfs "$T/tree" "$T/image" -quiet -no-progress >/dev/null
mount -o loop,ro "$T/image" "$base/image"
exec 7<>"$base/image/p.pipe"
at_end "exec 7>&-"
if command -v mkfs.vfat >/dev/null; then
	truncate -s 8M "$T/vfat"
	mkfs.vfat "$T/vfat" >/dev/null
	mount -o loop,umask=022 "$T/vfat" "$base/flat"
	echo flat >"$base/flat/file"
	mount -o remount,ro "$base/flat"
fi

as() {
	local who=$1
	shift
	if [ "$who" = root ]; then
		env HOME="$T/home" ISLE_HOME="$T/store-root" "$@"
	else
		setpriv --reuid=$uid --regid=$uid --clear-groups env HOME="$T/home" ISLE_HOME="$T/home/store" "$@"
	fi
}

cd /
for who in root user; do
	for options in "" "--no-track" "--nest"; do
		# shellcheck disable=SC2086
		run() { as $who "$ISLE" run -q --discard --net none $options "$@"; }
		as_what="$who $options"
		out=$(run -- python3 -B "$T/tools/inside.py" "$base"/plain/{a.sock,b.dgram,c.pipe} "$base"/plain/deep/{d.sock,e.pipe} \
			"$base"/plain/sub/{s.sock,t.pipe} "$base"/one/{f.sock,g.pipe,h.dgram} "$base"/image/p.pipe 2>&1)
		hasnt "$out" REACHED
		has "$out" "a.sock ECONNREFUSED" "c.pipe ENXIO" "p.pipe ENXIO"
		hasnt "$(run -- python3 -B "$T/tools/inside.py" "$base"/under/{docker.sock,pipe} 2>&1)" REACHED
		# Neither the host's object nor what lies under it.
		same "$(run -- sh -c "cat $base/under/docker.sock $base/under/pipe 2>/dev/null; stat -c %F $base/under/docker.sock $base/under/pipe" |
			sort -u)" "regular empty file" "$as_what"
		if run -- sh -c "echo x >$base/under/null" 2>/dev/null; then fail "a device of the host took what was written"; fi
		same "$(run -- cat "$base/under/regular" "$base/image/file")" $'text\npacked' "$as_what"
		# The host's processes are not to be seen; the store's directory under the proc is empty.
		same "$(run -- sh -c "ls -A $base/plain/proc")" "" "$as_what"
		status_is 1 run -- touch "$base/plain/new" 2>"$T/err"
		has "$(cat "$T/err")" "Read-only file system"
		# What is writable below is, in the isle.
		same "$(run -- sh -c "echo isle >>$base/plain/rw/file && echo x >$base/plain/tmp/x && cat $base/plain/rw/file")" $'the host\nisle' "$as_what"
		[ ! -e "$base/flat/file" ] || same "$(run -- cat "$base/flat/file")" flat
	done
done
content "$T/writable/file" 'the host'
absent "$base/plain/tmp/x"
same "$(cat "$base/log")" "" "the host was reached"
same "$(stat -c '%n %a %u %Y' "$base"/plain/{a.sock,c.pipe} "$base"/one/{f.sock,g.pipe,h.dgram})" "$before"

# A file system that overlayfs does not take: here for the depth of the stack.
mkdir -p "$base"/{low,upper1,work1,upper2,work2,middle,stacked}
mount -t overlay -o "lowerdir=$base/low,upperdir=$base/upper1,workdir=$base/work1" o "$base/middle"
mount -t overlay -o "lowerdir=$base/middle,upperdir=$base/upper2,workdir=$base/work2" o "$base/stacked"
mkfifo "$base/stacked/i.pipe"
chmod 666 "$base/stacked/i.pipe"
exec 6<>"$base/stacked/i.pipe"
at_end 'exec 6>&-'
for who in root user; do
	same "$(as $who "$ISLE" run --discard --net none -- ls -A "$base/stacked" 2>"$T/err")" ""
	has "$(cat "$T/err")" "$base/stacked is empty in this isle"
done

# --write below a read-only mount is the host's, and no more than what was named.
as root "$ISLE" run -q --discard --net none --write "$base/plain/rw" -- sh -c "echo through >$base/plain/rw/new"
content "$T/writable/new" through
hasnt "$(as root "$ISLE" run -q --discard --net none --write "$base/plain/rw" -- python3 -B "$T/tools/inside.py" "$base"/plain/a.sock)" REACHED

# systemd's ProtectSystem=strict: all of it read-only, with a few places that are not. And /run read-only.
mkdir -p "$T/writable/work"
chown $uid:$uid "$T/writable/work"
mount --rbind "$T" "$T"
at_end 'umount -l "$T"'
mount -o remount,bind,ro /
at_end 'mount -o remount,bind,rw /'
mount --bind /run /run
at_end 'umount -l /run'
mount -o remount,bind,ro /run
for who in root user; do
	same "$(as $who "$ISLE" run -q --discard --net none -- sh -c "echo x >$T/writable/work/x && cat $T/writable/work/x")" x
	mapfile -t sockets < <(find /run -type s 2>/dev/null | head -n 20)
	hasnt "$(as $who "$ISLE" run -q --discard --net none -- python3 -B "$T/tools/inside.py" "$base"/plain/{a.sock,c.pipe} "${sockets[@]}" 2>&1)" REACHED
done
same "$(cat "$base/log")" "" "the host was reached"
