"""`python -m demo`: exits 0 if every job ended as it should; see `make demo`."""

import signal
import sys

if __name__ == "__main__":
    # a Ctrl-C while modules load finds nothing to clean up, and is worth no traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .command import main

    sys.exit(main())
