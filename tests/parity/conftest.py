"""The comparison's own modules, found as when `compare.py` runs as a program."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
