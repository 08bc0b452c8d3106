#!/usr/bin/env python3
"""The original's reader.py: reads a ROOT file event by event and writes its specs; `mlaas specs` is the fuller one."""

import sys

try:
    from MLaaS4HEP.reader import main
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] not in ("MLaaS4HEP", "mlaas"):
        raise
    sys.exit(
        f"reader.py: the Python at {sys.executable} does not have the package {error.name}; install it from the "
        f'source folder with "{sys.executable} -m pip install ."'
    )

if __name__ == "__main__":
    sys.exit(main())
