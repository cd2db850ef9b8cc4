#!/usr/bin/env python3
"""Runs a program as a container engine would: from an image's file system, which it cannot write, as process 1.

    inside.py [--emulator FILE] [--tmpfs PLACE]... ROOT[:ROOT...] PATH [ARGUMENT...]

What runs is /usr/bin/NAME of the ROOT that has it, NAME being PATH's last part. It has process and mount namespaces of its
own, the user 65532, no capability, an empty /tmp, an empty folder at each PLACE, and of this machine its network, /proc and
the folder this was started in. With --emulator, the file of a static qemu-user, the image may be of another architecture.
Signals are passed on; it ends as the program ends. For tests, by root.
"""

import argparse
import ctypes
import os
import shutil
import signal
import sys

USER = 65532
CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)

libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if getattr(libc, function)(*arguments) != 0:
        sys.exit(f"inside.py: {function}{arguments}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, data=None):
    texts = [text.encode() if text else None for text in (source, target, kind)]
    call("mount", *texts, flags, data.encode() if data else None)


def enter(root, folder, places, emulator):
    """Mounts what the image has to have, and makes it the root."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    mount(root, root, None, MS_BIND)
    mount("proc", f"{root}/proc", "proc")
    mount("tmpfs", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for place in places:
        mount("tmpfs", root + place, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0700,uid={USER},gid={USER}")
    if emulator:
        shutil.copy(emulator, f"{root}/tmp/emulator")
    os.makedirs(root + folder)
    mount(folder, root + folder, None, MS_BIND)
    mount(None, root, None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    os.chroot(root)
    os.chdir(folder)
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--emulator")
    parser.add_argument("--tmpfs", action="append", default=[])
    parser.add_argument("roots")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    folder = os.getcwd()
    if not folder.startswith("/tmp/"):
        sys.exit("inside.py: start it in a folder below /tmp, which the program will see")
    program = f"/usr/bin/{os.path.basename(given.command[0])}"
    root = next(root for root in given.roots.split(":") if os.path.exists(root + program))
    os.chown(folder, USER, USER)
    call("unshare", CLONE_NEWNS | CLONE_NEWPID)
    child = os.fork()
    if child == 0:
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        enter(root, folder, given.tmpfs, given.emulator)
        command = [*(["/tmp/emulator"] if given.emulator else []), program, *given.command[1:]]
        os.execv(command[0], command)
    for number in FORWARDED:
        signal.signal(number, lambda number, _: os.kill(child, number))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
