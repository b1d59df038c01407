#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
without_xattrat.py COMMAND...: on a kernel without setxattrat(2) and its relatives of Linux 6.13, which older versions of strace
do not know, so that they cannot be made to fail. A seccomp filter says ENOSYS to them; programs use the older calls.
"""
import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, AT_LEAST, MORE_THAN, RETURN = 0x20, 0x35, 0x25, 0x06
FIRST, LAST = 463, 466  # setxattrat, getxattrat, listxattrat, removexattrat
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS

program = b"".join(struct.pack("=HBBI", *step) for step in (
    (LOAD, 0, 0, 0),
    (AT_LEAST, 0, 2, FIRST),
    (MORE_THAN, 1, 0, LAST),
    (RETURN, 0, 0, REFUSE),
    (RETURN, 0, 0, ALLOW),
))


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
filter = Program(len(program) // 8, program)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter), 0, 0) != 0:
    sys.exit("without_xattrat.py: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
