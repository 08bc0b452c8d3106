#!/usr/bin/env python3
"""The original's workflow.py: trains a model on ROOT files with its options; `mlaas train` is the fuller command."""

import sys

try:
    from MLaaS4HEP.workflow import main
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] not in ("MLaaS4HEP", "mlaas"):
        raise
    sys.exit(
        f"workflow.py: the Python at {sys.executable} does not have the package {error.name}; install it from the "
        f'source folder with "{sys.executable} -m pip install ."'
    )

if __name__ == "__main__":
    sys.exit(main())
