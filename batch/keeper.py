"""Run a ComfyUI for as long as somebody holds this process's standard input open; then end it and remove its folder.

    python keeper.py FOLDER LOG COMMAND...

A killed owner closes its pipes too, so that no server outlives it, holds a GPU, or leaves its folder behind. On its
standard output comes the exit code of the command, where that ends first; the folder then stays. The process leaves its
parent, since Ray kills the children of a worker that ends. Standard library only, no other file.
"""

import os
import shutil
import subprocess
import sys
import threading

SECONDS_TO_END = 5
NOW = b"k"  # on standard input: do not wait for an orderly end


def main() -> None:
    if hasattr(os, "fork"):
        if os.fork():
            os._exit(0)
        os.setsid()
    folder, log, *command = sys.argv[1:]
    with open(log, "ab") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    released = threading.Event()

    def watch() -> None:
        now = os.read(0, 1) == NOW  # not sys.stdin, whose lock would be held when the command ends first
        released.set()
        if not now:
            child.terminate()
            try:
                child.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                now = True
        if now:
            child.kill()

    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    if released.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        os.write(1, f"{code}\n".encode())


if __name__ == "__main__":
    main()
