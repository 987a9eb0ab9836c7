"""This project measured: how fast it is, what it finds, and whether it ever sells a wrong program. Not in the wheel."""

import os

#: What other runs found changes where a search begins.
os.environ["COLT_STORE"] = "off"
