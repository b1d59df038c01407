#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The configuration: where it is looked for, who may have written it, what it changes, and what is said of one that is wrong.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"

C=$T/config
export ISLE_CONFIG=$C
# refused TEXT COMMAND...: the command fails and says this.
refused() {
	local text=$1
	shift
	if "$@" 2>"$T/err"; then fail "was done: $*"; fi
	has "$(cat "$T/err")" "$text"
	has "$(cat "$T/err")" "hint: "
}

# Wrong lines are told with their file and line; nothing is run, freed or committed.
wrong() {
	printf '# first\n\n%s\n' "$1" >"$C"
	refused "$C:3: $2" isle gc
	status_is 125 isle run -n wrong -- touch "$T/ran" 2>"$T/err"
	has "$(cat "$T/err")" "$C:3: $2"
	same "$(isle list)" ""
	absent "$T/ran"
}
wrong 'no line' 'this is no line of a configuration'
wrong 'gc.keep-age =' 'this is no line of a configuration'
wrong '= 3' 'this is no line of a configuration'
wrong '[gc]' 'this is no line of a configuration'
wrong $'run.net = no\033[2Jne' 'this is no line of a configuration'
wrong 'gc.age = 3d' 'there is no setting gc.age'
wrong 'gc.keep-age = soon' 'gc.keep-age is an age'
wrong 'gc.max-size = much' 'gc.max-size is a size'
wrong 'commit.append = logs/*.txt' 'commit.append is an absolute path'
wrong 'run.net = maybe' 'run.net is internet, none or host'
wrong 'run.criteria = all' 'run.criteria is aec'
wrong 'run.track = much' 'run.track is reads, full or none'
wrong 'run.linger = -1' 'run.linger is a number of seconds'
wrong 'run.require = moat' 'run.require is names of protections'
wrong 'run.when = @rules' 'run.when is rules'
wrong 'run.hide = .ssh' 'run.hide is an absolute path'
# What only looks, and help, need none.
isle list >/dev/null
isle log >/dev/null
isle gc --help >/dev/null
isle run --help >/dev/null

# It must be the caller's or root's own, and closed to others; a directory or a pipe is none.
echo 'gc.keep-age = 1d' >"$C"
isle gc
chmod 0664 "$C"
refused 'others can write to it' isle gc
chmod 0646 "$C"
refused 'others can write to it' isle gc
chmod 0644 "$C"
mkdir -m 0777 "$T/open"
cp "$C" "$T/open/config"
ISLE_CONFIG=$T/open/config refused 'others can put something in its place' isle gc
ln -s "$T/open/config" "$T/link"
ISLE_CONFIG=$T/link refused 'others can put something in its place' isle gc
mkfifo "$T/pipe"
ISLE_CONFIG=$T/pipe refused 'it is no file' isle gc
ISLE_CONFIG=$T refused 'it is no file' isle gc
ISLE_CONFIG=$T/none refused 'No such file' isle gc
if is_root; then
	chown nobody: "$C"
	refused 'it belongs to somebody else' isle gc
	chown root: "$C"
	# A user's file is not root's, whatever $HOME says.
	mkdir -p "$T/home/.config/isle"
	echo 'no line' >"$T/home/.config/isle/config"
	env -u ISLE_CONFIG HOME="$T/home" XDG_CONFIG_HOME="$T/home/.config" "$ISLE" gc
else
	# Where it is looked for.
	mkdir -p "$T/home/.config/isle" "$T/xdg/isle"
	echo 'home' >"$T/home/.config/isle/config"
	echo 'xdg' >"$T/xdg/isle/config"
	refused "$T/home/.config/isle/config:1:" env -u ISLE_CONFIG -u XDG_CONFIG_HOME HOME="$T/home" "$ISLE" gc
	refused "$T/xdg/isle/config:1:" env -u ISLE_CONFIG HOME="$T/home" XDG_CONFIG_HOME="$T/xdg" "$ISLE" gc
	env -u ISLE_CONFIG -u XDG_CONFIG_HOME HOME="$T" "$ISLE" gc
fi
ISLE_CONFIG=none isle gc

# gc: ages and sizes; the command line wins.
cd "$T"
head -c 300000 /dev/urandom >big
isle run -q -n kept -- rm "$T/big"
isle commit -q --yes kept
records() { find "$ISLE_HOME/undo" -mindepth 1 -maxdepth 1 | wc -l; }
sleep 1.1
printf 'gc.keep-age = 1s\n' >"$C"
isle gc --keep 7d 2>"$T/err"
has "$(cat "$T/err")" "1 operation of the last 7 days"
printf 'gc.keep-age = 1s\n  gc.keep-age =  5d \r\n' >"$C" # the last one counts
isle gc 2>"$T/err"
has "$(cat "$T/err")" "1 operation of the last 5 days"
printf 'gc.max-size = 10M\ngc.max-size = 200K\n' >"$C"
isle gc 2>"$T/err"
has "$(cat "$T/err")" "nothing younger than 7 days goes without --yes"
same "$(records)" 1
isle gc --yes --max-size 1M
same "$(records)" 1
isle gc --yes
same "$(records)" 0
echo 'gc.keep-age = 1s' >"$C"
isle rm -q kept

# run: the command line wins, too.
mkdir "$T/secret" "$T/also"
touch "$T/secret/key" "$T/also/key"
cat >"$C" <<END
run.hide = $T/secret
run.hide = ~/also
run.hide = $T/not-there
run.net = none
run.criteria = write
run.track = none
END
HOME=$T isle run -q -n one -- sh -c "ls $T/secret $T/also; ls -A $T/not-there; touch $T/not-there/file; cat /proc/net/dev" >"$T/out" 2>&1 || true
hasnt "$(cat "$T/out")" key
# The name of what is not there yet is taken, and that is no change.
has "$(cat "$T/out")" "Read-only file system"
same "$(isle status --json one | python3 -c 'import json, sys; print(json.load(sys.stdin)["changes"])')" "[]"
same "$(sed -n 's/^ *\([a-z0-9]*\): *[0-9].*/\1/p' "$T/out")" lo
same "$(cat "$ISLE_HOME"/isles/*/criteria)" write
has "$(isle trace --json one)" '"track":"none"'
isle run -q -n two --criteria none --track=reads --net host -- cat /proc/net/dev >"$T/out"
same "$(sed 's/:.*//' "$T/out")" "$(sed 's/:.*//' /proc/net/dev)"
isle run -q -n two -- true
same "$(cat "$ISLE_HOME"/isles/*/criteria | tr '\n' ' ')" writenone "what the isle said stays"
isle rm -qy one two
echo 'run.require = userns' >"$C"
isle run -q --discard -- true

# run.when: for --commit; none turns it off.
mkdir "$T/project"
cd "$T/project"
echo 'run.when = project' >"$C"
isle run -q -n when --commit -- sh -c "echo 1 >in; echo 1 >$T/out-of-it"
content in 1
absent "$T/out-of-it"
isle run -q -n when --commit --when none -- sh -c 'echo 2 >in'
content in 2
content "$T/out-of-it" 1
rm "$T/out-of-it"
isle run -q -n when -- sh -c 'echo 3 >in'
content in 2
isle discard -q when
isle rm -q when

# commit.append: for commit, check, plan, explain and run --commit.
cd "$T"
printf 'commit.append = *.journal\ncommit.append = %s/logs/**\n' "$T" >"$C"
mkdir logs
both() {
	echo start >"$1"
	isle run -q -n log -- sh -c "echo isle >>$1"
	sleep 0.02
	echo host >>"$1"
}
for file in a.journal logs/b c.log; do
	both "$file"
	isle check log >/dev/null
	has "$(isle explain --json log "./$file")" '"conflicts":[]'
	isle plan log -o plan >/dev/null
	ISLE_CONFIG=none isle commit -q --yes --plan plan
	same "$(tr '\n' ' ' <"$file")" "start host isle "
done
both d.other
status_is 4 isle check log >/dev/null
isle discard -q log
both e.journal
status_is 4 isle check --append none log >/dev/null
isle check --append none --append e.journal log >/dev/null
isle check --append '*.x' log >/dev/null
isle commit -q --yes log
same "$(tr '\n' ' ' <e.journal)" "start host isle "
both g.journal
isle run -q -n log --commit -- true
same "$(tr '\n' ' ' <g.journal)" "start host isle "
printf 'commit.append = none\n' >"$C"
both f.log
status_is 4 isle check log >/dev/null
isle check --append '*.log' log >/dev/null
isle discard -q log
isle rm -q log

# What a program in an isle writes there is flagged.
unset ISLE_CONFIG
mkdir -p "$T/.config"
isle run -q -n evil -- sh -c "mkdir -p $T/.config/isle && echo 'run.net = host' >$T/.config/isle/config"
status_is 6 isle commit --yes evil 2>"$T/err"
has "$(cat "$T/err")" autostart
if is_root; then
	isle run -q -n evil -- sh -c 'mkdir -p /etc/isle && echo >/etc/isle/config'
	status_is 6 isle commit --yes evil /etc/isle 2>"$T/err"
	has "$(cat "$T/err")" autostart
fi
isle rm -qy evil
nothing_left
