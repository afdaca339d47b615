"""The `coterie` command as a module, for launchers of processes: `torchrun -m coterie train`."""

import sys

from coterie.cli.main import main

sys.exit(main())
