"""Print every figure that no record stands behind; exit 1 where there is one."""

import sys

from bench.records.check import faults


def main() -> int:
    """Check all pages."""
    found = list(faults())
    for one in found:
        print(one)
    print(f"{len(found)} figures without a record" if found else "every figure has its record")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
