#!/usr/bin/env python3
"""metric_names.py METRICS DOC: what is exported is what the documentation has, and the other way round."""
import re
import sys

PREFIX = "simplescalevm_"
exported = set()
for line in open(sys.argv[1]):
    if line.startswith("# TYPE "):
        exported.add(line.split()[2])
page = open(sys.argv[2]).read().split("## `GET /metrics`")[1].split("\n## ")[0]
rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
told = {PREFIX + name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
if exported != told:
    sys.exit(f"not documented: {exported - told}; not exported: {told - exported}")
print(f"{len(exported)} metrics, all documented")
