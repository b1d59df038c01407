#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Python virtual environment, a module in it, compiled files.
# runs-as: root user
# time-limit: 60
. "$(dirname "$0")/../lib.sh"

need /usr/bin/python3
cd "$T" || exit
in_isle() { isle run -q -n venv --keep --net none -- "$@"; }
in_isle /usr/bin/python3 -m venv --without-pip env
absent env
in_isle bash -ec '
	site=$(env/bin/python -c "import site; print(site.getsitepackages()[0])")
	mkdir $site/proof
	echo "def answer(): return 42" >$site/proof/__init__.py
	env/bin/python -m compileall -q $site/proof'
same "$(in_isle env/bin/python -c 'import proof, sys; print(proof.answer(), sys.prefix)')" "42 $T/env"
isle commit --yes venv
same "$(env/bin/python -c 'import proof, sys; print(proof.answer(), sys.prefix)')" "42 $T/env"
exists env/lib/python3*/site-packages/proof/__pycache__
same "$(in_isle env/bin/python - <<'END'
import multiprocessing, concurrent.futures, tempfile, os, sqlite3, threading
with concurrent.futures.ProcessPoolExecutor(2) as pool:
    print(sum(pool.map(abs, range(-10, 0))))
with multiprocessing.Pool(2) as pool:
    print(pool.apply(len, ([1, 2, 3],)))
lock = multiprocessing.Lock()
from multiprocessing import shared_memory
block = shared_memory.SharedMemory(create=True, size=100)
block.unlink()
END
)" $'55\n3'
