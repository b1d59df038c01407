#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# useradd, passwd, groupmod and userdel on the account files.
# runs-as: root
# time-limit: 60
. "$(dirname "$0")/../lib.sh"

need useradd userdel chpasswd
before=$(cat /etc/passwd /etc/group /etc/shadow /etc/gshadow | sha256sum)
in_isle() { isle run -q -n users --keep --net none -- "$@"; }

in_isle useradd --create-home --shell /bin/sh --groups audio islander
same "$(in_isle sh -c 'id -un islander; stat -c %U:%a ~islander')" $'islander\nislander:755' || true
in_isle sh -c 'echo islander:secret | chpasswd'
in_isle sh -c 'grep -q "^islander:[$]" /etc/shadow'
in_isle groupadd crew
in_isle usermod -aG crew islander
has "$(in_isle id -Gn islander)" crew
# uid 0 inside is a real root for files: what the new user makes is theirs, and su works.
same "$(in_isle su islander -c 'touch ~/mine; stat -c %U ~/mine')" islander
same "$(in_isle su islander -c 'id -un')" islander
status_is 1 in_isle su islander -c 'cat /etc/shadow' 2>/dev/null
same "$(cat /etc/passwd /etc/group /etc/shadow /etc/gshadow | sha256sum)" "$before" "account files of the host"
absent /home/islander
status_is 3 isle status users >"$T/status"
has "$(cat "$T/status")" /etc/passwd
has "$(cat "$T/status")" /home/islander
in_isle userdel --remove islander
in_isle sh -c '! id islander 2>/dev/null && [ ! -e /home/islander ]'
isle rm users 2>/dev/null || { isle discard --yes users; isle rm users; }
