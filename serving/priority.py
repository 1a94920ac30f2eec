"""What the line does not wait for runs at a lower priority than the line."""

import os
import sys
import threading

_NICENESS = 10


def step_back() -> None:
    """Let the calling thread take only the processor time that others leave; where threads have a priority of their own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
