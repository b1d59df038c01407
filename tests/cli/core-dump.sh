#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A crash inside starts nothing outside: the limit of core dumps is 1 in every run, nothing inside changes it, and the
# program of kernel.core_pattern does not run. Where the pattern is a socket, the wall is missing and said to be.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"
need python3 flock

# Tries to lower and to raise both limits, of itself and of its parent, by both calls; then tells what they are.
cat >"$T/limits.py" <<'PY'
import ctypes, os, resource
libc = ctypes.CDLL(None, use_errno=True)
for limit in (0, 0), (0, 1), (1, 1 << 20), (resource.RLIM_INFINITY, resource.RLIM_INFINITY):
    pair = (ctypes.c_ulong * 2)(*(v & (1 << 64) - 1 for v in limit))
    libc.syscall(302 if os.uname().machine == "x86_64" else 261, 0, resource.RLIMIT_CORE, pair, None)
    libc.syscall(302 if os.uname().machine == "x86_64" else 261, os.getppid(), resource.RLIMIT_CORE, pair, None)
    libc.syscall(302 if os.uname().machine == "x86_64" else 261, 0, resource.RLIMIT_CORE | 1 << 32, pair, pair)
    libc.syscall(160 if os.uname().machine == "x86_64" else 164, resource.RLIMIT_CORE, pair)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, limit)
    except (ValueError, OSError):
        pass
print(*resource.getrlimit(resource.RLIMIT_CORE))
PY

# limited WHAT [ARG]...
limited() {
	same "$(isle run -q "${@:2}" -- python3 "$T/limits.py" </dev/null)" "1 1" "$1"
}

limited "recorded" -n one
limited "not recorded" -n one --no-track
limited "no network" --net none
limited "the host's network" --net host
limited "nested" --nest
! unshare -U true 2>/dev/null ||
	same "$(isle run -q --nest -- unshare -Ur python3 "$T/limits.py" </dev/null)" "1 1" "a user namespace inside"
(
	ulimit -Sc 0
	limited "a soft limit of 0"
)

# What reports an error about the limit would end daemons that protect their memory.
isle run -q --net none -- bash -c 'ulimit -c 0' || fail "lowering the limit fails"

# joined COMMAND...: beside a run that goes on.
"$ISLE" run -q -n live -- sh -c 'echo started; exec sleep 60' >"$T/first" &
first=$!
at_end "kill $first 2>/dev/null || true"
wait_for 20 grep -q started "$T/first"
limited "joined" -n live
same "$(isle run -q -n live -- sh -c 'grep -h "Max core" /proc/[0-9]*/limits | sort | uniq -c | wc -l')" 1 "the limits of all inside"
kill $first
wait $first || true

# No core file, though the limit outside allows one and the pattern is a file's.
mkdir "$T/work"
(cd "$T/work" && ulimit -Sc "$(ulimit -Hc)" && isle run -q -n core -- sh -c 'kill -SEGV $$') || true
hasnt "$(isle status core 2>/dev/null)" core.

# From here on with the machine's own setting, one test at a time and each time for less than a second.
pattern=/proc/sys/kernel/core_pattern
if ! is_root || [ ! -w $pattern ]; then
	nothing_left
	exit 0
fi
exec 9>/run/isle-test-core-pattern.lock
flock 9
before=$(cat $pattern)
# shellcheck disable=SC2016
at_end 'printf %s "$before" >$pattern'

# Does nothing for crashes of other programs, which find the pattern now.
cat >"$T/helper" <<SH
#!/bin/sh
[ "\$1" != isle-t-crash ] || echo "\$2" >>"$T/helped"
exec cat >/dev/null
SH
chmod 0755 "$T/helper"
chmod 0755 "$T"
cp "$(command -v python3)" "$T/isle-t-crash"
crash='import os, resource, sys
print("ready", flush=True)
sys.stdin.readline()
for limit in (1, 1), (0, 1), (0, 0):
    pid = os.fork()
    if pid == 0:
        try: resource.setrlimit(resource.RLIMIT_CORE, limit)
        except (ValueError, OSError): pass
        os.kill(os.getpid(), 11)
    os.waitpid(pid, 0)
if len(sys.argv) > 1: os.kill(os.getppid(), 11)
print("done", flush=True)'

# crashes inside|"" COMMAND...: starts it, and lets it crash while the pattern names the helper.
crashes() {
	local inside=$1
	rm -f "$T/helped" "$T/in" "$T/out"
	mkfifo "$T/in"
	: >"$T/out"
	"${@:2}" "$T/isle-t-crash" -c "$crash" ${inside:+"$inside"} <"$T/in" >"$T/out" 2>/dev/null 9>&- &
	local pid=$!
	exec 8>"$T/in"
	wait_for 20 grep -q ready "$T/out"
	printf '|%s %%e %%c' "$T/helper" >$pattern
	echo >&8
	wait_for 20 grep -q 'done' "$T/out" || true
	sleep 0.3
	printf %s "$before" >$pattern
	exec 8>&-
	wait $pid || true
}

crashes "" sh -c '"$@"; :' sh
same "$(cat "$T/helped" 2>/dev/null)" $'0\n0' "outside the helper runs, though the limit is 0"
for mode in "-n one" "--no-track" "--nest" "--net host"; do
	# shellcheck disable=SC2086
	crashes inside "$ISLE" run -q $mode --
	[ ! -e "$T/helped" ] || fail "$mode: a crash inside ran the helper with the limit $(tr '\n' ' ' <"$T/helped")"
done

# A socket cannot be stopped: that is a missing wall.
printf '@%s/none.sock' "$T" >$pattern
status=0
isle doctor >"$T/doctor" || status=$?
demanded=0
isle run -q -n one --require coredump -- touch "$T/ran" 2>"$T/demanded" || demanded=$?
isle run -n one --discard -- true 2>"$T/said" || true
printf %s "$before" >$pattern
if grep -q 'coredump.*MISSING' "$T/doctor"; then
	same "$status" 5
	same "$demanded" 125
	has "$(cat "$T/demanded")" "the demanded protection 'coredump' cannot be had here" "hint: see: isle doctor"
	has "$(cat "$T/said")" "protection 'coredump' is missing on this machine"
else
	fail "doctor says nothing about the socket: $(cat "$T/doctor")"
fi
absent "$T/ran"
isle run -q --require coredump -- true
nothing_left
