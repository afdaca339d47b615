"""`python -m benchmarks`: restarts itself with malloc's settings before torch is imported."""

import sys

from benchmarks import malloc

if __name__ == "__main__":
    malloc.restart("benchmarks")
    from benchmarks.command import main

    main(sys.argv[1:])
