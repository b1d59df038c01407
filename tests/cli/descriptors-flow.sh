#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What goes through standard input, output and error is what goes through without isle: all of it, in order, no more than is read,
# and it ends when the other side does.
# runs-as: root user
# time-limit: 200
. "$(dirname "$0")/../lib.sh"
need python3

D=$T/d
mkdir "$D"
cd "$D" || exit
r() {
	"$ISLE" run -q --discard --net none "$@"
}

# What CMD does not read stays for whoever reads next: pipes, files, here-documents, loops.
same "$(seq 5 | { r -- sh -c 'read x; echo "in $x"'; cat; } | tr '\n' ' ')" "in 1 2 3 4 5 "
seq 5 >five
same "$({ r -- sh -c 'read x; echo "in $x"'; cat; } <five | tr '\n' ' ')" "in 1 2 3 4 5 "
same "$({ r -- head -c 3; cat; } <five | tr '\n' ' ')" "1 2 3 4 5 "
same "$({ r -- sh -c 'head -n 1; tail -n 1'; } <five)" $'1\n5'
same "$(seq 3 | while read -r x; do echo "$x"; r -- true; done | tr '\n' ' ')" "1 2 3 "
same "$(while read -r x; do echo "$x"; r -- true; done <<<$'a\nb')" $'a\nb'
same "$(r -- cat <<<here)" here
# A file without a name is pumped, and the offset is where CMD stopped all the same.
same "$({ rm five; r -- sh -c 'read x; echo "in $x"'; cat; } <five | tr '\n' ' ')" "in 1 2 3 4 5 "
# Slow and quick writers, input that comes in parts.
same "$({ echo 1; sleep 0.3; echo 2; sleep 0.3; echo 3; } | r -- cat | tr '\n' ' ')" "1 2 3 "
same "$({ echo 1; sleep 0.3; echo 2; sleep 1; echo 3; } | { r -- sh -c 'read a; sleep 0.5; read b; echo "$a $b"'; cat; } | tr '\n' ' ')" "1 2 3 "

# Whole data, each way in and out.
head -c 5000000 /dev/urandom >data
r -- cat <data >out
cmp data out
r -- cat <data | cmp data -
r -- cat <data >>out
same "$(stat -c %s out)" 10000000
dd if=data bs=1M status=none | r -- cat | cmp data -
dd if=data bs=1M status=none | r -- dd bs=1000 status=none | cmp data -
mkfifo fifo
cat data >fifo &
r -- cat <fifo | cmp data -
wait $!
cmp data fifo &
r -- cat data >fifo
wait $!
r -- cat data 1<>out
cmp -n 5000000 data out

# The order of what goes to one file by two descriptors, and of what comes before and after.
{ echo before; r -- sh -c 'for i in 1 2 3; do echo out $i; echo err $i >&2; done'; echo after; } >order 2>&1
same "$(tr '\n' ' ' <order)" "before out 1 err 1 out 2 err 2 out 3 err 3 after "
same "$(r -- sh -c 'for i in 1 2 3; do echo out $i; echo err $i >&2; done' 2>&1 | tr '\n' ' ')" "out 1 err 1 out 2 err 2 out 3 err 3 "
"$ISLE" run --discard --net none -- sh -c 'sleep 100 & echo last' >said 2>&1
has "$(tail -n 1 said)" "which was left running"
r -- sh -c 'echo a >/dev/stdout; echo b >/dev/stderr; echo c >/proc/self/fd/1; echo d >/dev/fd/2' >four 2>&1
same "$(tr '\n' ' ' <four)" "a b c d "
same "$(r -- sh -c 'echo a >/dev/stdout; cat /dev/stdin' <<<b)" $'a\nb'

# The other side ends first: CMD gets SIGPIPE, and isle does not wait.
start=$SECONDS
same "$({ r -- yes || :; } | head -n 1)" y
same "$({ r -- sh -c 'echo 1; sleep 0.5; while echo more; do sleep 0.1; done' || :; } | head -n 1)" 1
[ $((SECONDS - start)) -lt 60 ] || fail "CMD went on without a reader"
# CMD ends first: isle does not wait for its input, however much there is.
mkfifo held
sleep 100 >held &
writer=$!
timeout 60 "$ISLE" run -q --discard --net none -- true <held
yes >held 2>/dev/null &
timeout 60 "$ISLE" run -q --discard --net none -- true <held
kill "$writer"
wait || true

# Output that could not be written is said, and is no success.
status_is 1 r -- sh -c 'echo text' >/dev/full 2>"$T/err"
full=0
(
	ulimit -f 10
	"$ISLE" run -q --discard --net none -- sh -c 'trap "" PIPE; head -c 100000 /dev/zero 2>/dev/null; exit 0' >limited 2>"$T/err"
) || full=$?
same "$full" 1
has "$(cat "$T/err")" "cannot write to standard output: output is lost"
full=0
(
	ulimit -f 10
	"$ISLE" run -q --discard --net none -- sh -c 'head -c 100000 /dev/zero 2>/dev/null; exit 7' >limited 2>"$T/err"
) || full=$?
same "$full" 7

# The same for input that cannot be read to its end.
status_is 1 r -- cat </proc/self/mem 2>"$T/err"
has "$(cat "$T/err")" "cannot read standard input to its end: Input/output error"

# Closed descriptors stay closed to CMD, and those of cron are the isle's own.
same "$(r -- sh -c 'cat 2>/dev/null || echo no' <&-)" no
status_is 3 r -- sh -c 'echo x 2>/dev/null || exit 3' >&-
status_is 0 r -- sh -c 'cat; echo x; echo y >&2; [ -c /dev/stdin ] && [ -c /dev/stdout ]' </dev/null >/dev/null 2>/dev/null
same "$(r -- sh -c 'head -c 4 | od -An -tx1' </dev/zero)" " 00 00 00 00"

# In the background, killed, and as programs start it: sockets for all three, and the same one for two.
r -- sh -c 'sleep 0.3; echo done' >background &
wait $!
content background "done"
"$ISLE" run -q --discard --net none -- sh -c 'echo started; exec sleep 100' >killed 2>/dev/null &
killed=$!
wait_for 30 grep -q started killed
kill -KILL "$killed"
wait "$killed" 2>/dev/null || true
no_pump() {
	! pgrep -u "$(id -u)" -x isle-pump -P 1 >/dev/null
}
python3 - "$ISLE" <<'PY'
import os, socket, subprocess, sys, time
def run(program, **fds):
    return subprocess.Popen([sys.argv[1], "run", "-q", "--discard", "--net", "none", "--", *program], **fds)
(a, x), (b, y), (c, z) = socket.socketpair(), socket.socketpair(), socket.socketpair()
p = run(["sh", "-c", "cat; echo err >&2"], stdin=x, stdout=y, stderr=z)
for s in x, y, z:
    s.close()
data = os.urandom(300000)
import threading
def send():
    a.sendall(data)
    a.shutdown(socket.SHUT_WR)
t = threading.Thread(target=send)
t.start()
got = b""
while chunk := b.recv(65536):
    got += chunk
t.join()
assert got == data, len(got)
assert c.recv(100) == b"err\n"
assert p.wait() == 0
# One socket for both directions; what is not read stays in it.
a, x = socket.socketpair()
a.sendall(b"1\n2\n")
p = run(["sh", "-c", "read x; echo got $x"], stdin=x, stdout=x)
assert p.wait() == 0
assert a.recv(100) == b"got 1\n"
assert x.recv(100) == b"2\n"
# TCP, as systemd and inetd do.
l = socket.create_server(("127.0.0.1", 0))
a = socket.create_connection(l.getsockname())
x, _ = l.accept()
p = run(["sh", "-c", "read x; echo got $x"], stdin=x, stdout=x, stderr=x)
x.close()
a.sendall(b"1\n")
assert a.recv(100) == b"got 1\n"
assert a.recv(100) == b""
assert p.wait() == 0
# A full pipe that nobody reads holds isle, not longer than the user wants.
r, w = os.pipe()
p = run(["sh", "-c", "head -c 100000 /dev/zero"], stdin=subprocess.DEVNULL, stdout=w)
os.close(w)
try:
    p.wait(3)
    raise SystemExit("the output was dropped")
except subprocess.TimeoutExpired:
    pass
n = 0
while chunk := os.read(r, 65536):
    n += len(chunk)
assert n == 100000 and p.wait() == 0, n
r, w = os.pipe()
p = run(["sh", "-c", "head -c 100000 /dev/zero; echo ended >&2"], stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.PIPE)
os.close(w)
assert p.stderr.readline() == b"ended\n"
time.sleep(2)
assert p.poll() is None
p.send_signal(15)
time.sleep(1)
if p.poll() is None: # the first one came while the command ran
    p.send_signal(15)
assert p.wait(20) in (1, 143), p.returncode
assert b"output of the command may be lost" in p.stderr.read()
PY
wait_for 10 no_pump
nothing_left
