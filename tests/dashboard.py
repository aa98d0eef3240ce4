#!/usr/bin/env python3
"""dashboard.py DASHBOARD DOC [--queries]: a well-formed dashboard that asks for metrics that there are."""
import json
import re
import sys

board = json.load(open(sys.argv[1]))
page = open(sys.argv[2]).read()
questions = []
ids = set()
for panel in board["panels"]:
    assert panel["id"] not in ids, f"id {panel['id']} is there twice"
    ids.add(panel["id"])
    grid = panel["gridPos"]
    assert grid["x"] + grid["w"] <= 24, panel["title"]
    for target in panel.get("targets", []):
        questions.append(target["expr"])
for question in questions:
    for name in re.findall(r"simplescalevm_([a-z_]+)", question):
        name = re.sub(r"_(bucket|sum|count)$", "", name)
        assert f"`{name}`" in page, f"there is no metric {name}"
if "--queries" in sys.argv:
    for question in questions:
        question = question.replace("$__rate_interval", "1m").replace("$__range", "1h")
        print(re.sub(r"\{job=~\"\$job\"(, )?", "{", question))
else:
    print(f"{len(questions)} questions in {len(ids)} panels")
