"""How a child is started: never to outlive us, and with no more rights than it needs."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence

PR_SET_PDEATHSIG = 1
NOBODY = 65534  # PostgreSQL refuses to run as root; this user exists everywhere and owns nothing

_libc = ctypes.CDLL(None, use_errno=True)  # now: nothing may be loaded between fork and exec


def die_with_parent(with_signal: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel send the child a signal when its parent dies.

    Linux only; elsewhere the child merely starts, and `kill -9` of the launcher leaves it behind.
    """
    parent = os.getpid()

    def arrange() -> None:
        if sys.platform != "linux":
            return
        _libc.prctl(PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange


def unprivileged(command: Sequence[str], *, with_signal: signal.Signals) -> list[str]:
    """Return the command as a normal user runs it: unchanged, or as nobody if we are root.

    Nobody cannot look into a checkout below /root, so it keeps the one capability that reads past
    file modes; `no_setuid_fixup` is what makes PostgreSQL's own access checks see it. No mode is
    changed and no user is added. Changing user clears the death signal, so it is asked for again.
    """
    if os.geteuid() != 0:
        return list(command)
    return [
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "--securebits=+no_setuid_fixup",
        f"--pdeathsig={with_signal.name.removeprefix('SIG')}",
        *command,
    ]
