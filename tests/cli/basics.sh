#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line itself: help, version, usage errors, a standard output that cannot be written.
# runs-as: root user
. "$(dirname "$0")/../lib.sh"

has "$(isle --version)" "isle 0."
has "$(isle --help)" "  list "
hasnt "$(isle --help)" completions
same "$(isle help list)" "$(isle list --help)"
has "$(isle list --help)" "usage: isle list"

status_is 2 isle 2>/dev/null
status_is 2 isle lits 2>"$T/err"
has "$(cat "$T/err")" "did you mean 'isle list'"
status_is 2 isle list --no-such-option 2>"$T/err"
has "$(cat "$T/err")" "no such option: --no-such-option"
status_is 2 isle list operand 2>/dev/null
status_is 2 isle list --json -z 2>/dev/null
status_is 2 isle --json 2>"$T/err"
has "$(cat "$T/err")" "no such option: --json"

# Every verb has help, in at most 80 columns but for the synopsis.
for verb in $(isle --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
	has "$(isle "$verb" --help)" "usage: isle $verb"
	isle "$verb" --help | tail -n +2 | awk 'length($0) > 110 { print "too wide: " $0; bad = 1 } END { exit bad }'
done

# A result that did not arrive is a failure; other closed descriptors hurt nobody.
status_is 1 isle --help >/dev/full 2>/dev/null
status_is 1 isle --version >/dev/full 2>/dev/null
status_is 0 isle list <&- 2>&-
status_is 1 isle --version 2>"$T/err" >&-
has "$(cat "$T/err")" "Bad file descriptor"

# Hostile names are escaped in messages.
status_is 2 isle $'\e[31mred' 2>"$T/err"
hasnt "$(cat "$T/err")" $'\e'

# CMD sees what is closed as closed.
status_is 1 isle run -q --discard --net none -- /bin/echo x 2>/dev/null >&-
status_is 1 isle run -q --discard --net none -- cat 2>/dev/null <&-

# A run that could not start leaves no new isle without a name behind; nothing is hidden without a word.
isle run -q -n before -- true
status_is 125 isle run --chdir "$T/nowhere" true 2>/dev/null
status_is 125 isle run --write "$T/nowhere" true 2>/dev/null
has "$(isle list | sed -n 2p)" before
status_is 125 isle run --discard --hide "$T/nowhere" true 2>"$T/err"
has "$(cat "$T/err")" "cannot hide $T/nowhere: No such file or directory"

# Why the store cannot be made, and why nothing can be started.
if ! is_root; then
	mkdir "$T/home"
	chmod 500 "$T/home"
	status_is 125 env -u ISLE_HOME HOME="$T/home" "$ISLE" run true 2>"$T/err"
	has "$(cat "$T/err")" "isle: cannot create the store $T/home/.local/share/isle: Permission denied"
	has "$(cat "$T/err")" "hint: set ISLE_HOME"
	# A check for leaks at the end would want a further process itself.
	status_is 125 env ASAN_OPTIONS=detect_leaks=0 bash -c 'ulimit -u 1; exec "$ISLE" run -q true' 2>"$T/err"
	has "$(cat "$T/err")" "no further process can be started"
fi

# Whoever ignores SIGCHLD passes that on: to CMD, and without harm to isle.
status_is 7 timeout 60 env --ignore-signal=CHLD "$ISLE" run -q --discard --net none -- sh -c 'grep SigIgn /proc/$$/status; exit 7' >"$T/out"
same "$(cat "$T/out")" "$(env --ignore-signal=CHLD sh -c 'grep SigIgn /proc/$$/status')"

# What -v tells: which isle, the walls of this run, how the command ended.
status_is 3 isle run -v -n talk --net host --nest -- sh -c 'exit 3' 2>"$T/err"
has "$(cat "$T/err")" "isle: mounting isle 'talk' ("
has "$(cat "$T/err")" "isle: walls: userns mountns "
hasnt "$(cat "$T/err")" netns
hasnt "$(grep walls: "$T/err")" landlock
same "$(grep -c "'landlock' is left out by --nest" "$T/err")" 1
has "$(cat "$T/err")" "isle: exited with status 3 after "

# What the run's own options leave out cannot be demanded.
status_is 125 isle run -q --require landlock --nest true 2>"$T/err"
same "$(cat "$T/err")" "isle: the demanded protection 'landlock' is left out by --nest"
status_is 125 isle run -q --require netns --net host true 2>"$T/err"
same "$(cat "$T/err")" "isle: the demanded protection 'netns' is left out by --net host"

# A demand that names nothing is no demand. What --commit did not do is said with -q, too, in whole sentences.
status_is 125 isle run -q --require "" true 2>"$T/err"
has "$(cat "$T/err")" "unknown protection"
mkdir "$T/home2"
HOME=$T/home2 isle run -q -n refused --commit -- sh -c 'echo : >>~/.bashrc' 2>"$T/err"
has "$(cat "$T/err")" "isle: not committed, these need a yes of their own:
  $T/home2/.bashrc: autostart"
has "$(cat "$T/err")" "hint: say it with: isle commit refused --allow=KIND"
isle run -q -n untracked --no-track -- touch "$T/untracked"
has "$(isle check untracked)" "note: what 1 of the isle's runs read is not known"
isle run -n ruled --commit --when "allow create $T/home2" -- sh -c "touch '$T/home2/in' '$T/out-of-it'" 2>"$T/err"
has "$(cat "$T/err")" "isle: 1 change is not within the rules and stays in isle 'ruled'"
