#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SQLite in its journal modes, with two writers at once, and what is left after the commit.
# runs-as: root user
# time-limit: 60
. "$(dirname "$0")/../lib.sh"

need sqlite3
cd "$T" || exit
sqlite3 data.db 'create table t(n integer primary key, s text); insert into t(s) values("host");'
in_isle() { isle run -q -n sql --keep --net none -- "$@"; }
for mode in delete truncate persist wal; do
	in_isle sqlite3 data.db "pragma journal_mode=$mode; insert into t(s) values('$mode');" >/dev/null
done
in_isle bash -ec '
	writer() { for i in $(seq 50); do sqlite3 -cmd ".timeout 20000" data.db "insert into t(s) values(\"$1 $i\")"; done; }
	writer one & writer two & wait'
same "$(in_isle sqlite3 data.db 'select count(*) from t; pragma integrity_check')" $'105\nok'
same "$(sqlite3 data.db 'select count(*) from t')" 1
in_isle sqlite3 data.db 'pragma wal_checkpoint(truncate); pragma journal_mode=delete; vacuum;' >/dev/null
isle commit --yes sql
same "$(sqlite3 data.db 'select count(*) from t; pragma integrity_check')" $'105\nok'
absent data.db-wal data.db-shm
