#!/usr/bin/env python3
"""Writes corpus.json: files in the form of `.env`, and what python-dotenv, the loader of the reference, makes of them.

    pip install python-dotenv==1.2.4 && python3 generate.py > corpus.json

With a number as argument, so many random files besides the chosen ones.
"""

import json
import logging
import os
import random
import re
import sys
import tempfile

import dotenv
from dotenv.parser import parse_stream

PASSWORD = 'p@ss "w$rd#1'
REFERENCE = """\
# Application version
VERSION=2.0.0

APP_PORT=8000 # the status page
export REPLICA_CAPACITY=2
OPENSTACK_IMAGE=Debian 11
OPENSTACK_NETWORK="Ext-Net"
OPENSTACK_METADATA_VALUE='scaled'
OPENSTACK_KEYPAIR=
OPENSTACK_CLOUD_INIT_FILE= # none
  # an indented comment
OS_PASSWORD=@
OS_USERNAME="user name" # comment
"""
PASSWORD_FORMS = [PASSWORD, "'" + PASSWORD + "'", '"p@ss \\"w$rd#1"', PASSWORD + "  # comment", "'" + PASSWORD + "' # comment"]

CHOSEN = [
    "", "\n", "\ufeff", "A=1", "A=1\nB=2\n", "A=1\r\nB=2\r\n", "A=1\rB=2\r", "\ufeffA=1\n", "A\ufeff=1\n",
    "A=a b  c", "A=a b ", "A =1", "A= 1", "A\t=\t1\t", "  A=1", "\tA=1", "A=\u00a0x\u00a0", "A=x\x1c#y", "A=\x0bx",
    "A=#x", "A= #x", "A=x#y", "A=x #y", "A=x\t#y", "A=x # y # z", "A=x #", "A=#", "# A=1\nB=2", "#\n#x\nB=2", "   # x",
    "A", "A\nB=1", "A=1\nA", "A=1\nA=2", "A=1\nA=", "A=", "A= ", "A=''", 'A=""', "A=' '", 'A=" "', "A = # c",
    "export A=1", "export  A=1", "export\tA = 'x'", "export=1", "export =1", "export", "export ", "export A", "exportA=1",
    " export A=1", "export export=1", "export # x", "export # x=1", "export\nA=1", "exporT A=1",
    "A='x'", 'A="x"', "A='x' # c", 'A="x" # c', "A='x'# c", 'A="x"# c', "A='x' y", 'A="x"y\nB=1', "A='x''y'", "A= 'x'",
    "A='x#y'", 'A="x #y"', "A='a\"b'", "A=\"a'b\"", "A=a\"b\"c", "A=a'b", "A=x 'y'", "A='x", 'A="x\nB=1', "A='x\nB=1\nC='2'",
    'A="x\nB=1\nC="2"', "A='", 'A="', "'A'=1", "'A B'=1", "'A=1", "''=1", "\"A\"=1", "A B=1", "A B", "=1", "=", " =x\nB=1",
    'A="a\\"b"', "A='a\\'b'", 'A="a\\\\"', "A='a\\\\'", "A='a\\\\\\'b'", 'A="a\\nb"', "A='a\\nb'", 'A="\\a\\b\\f\\n\\r\\t\\v\\\'"',
    'A="\\x\\$\\ \\u0041\\101"', "A='\\x\\$\\t\\\"'", 'A="a\\\nb"', "A='a\\\nb'", "A=a\\nb", "A=a\\", 'A=a\\"b', "A=a\\ b", 'A="a\\',
    'A="a\nb"', "A='a\n\nb'\nC=1", 'A="a\r\nb"\r\nC=1', 'A="\n# not a comment\n"', "A='a\n' # c\nB=1", 'A="a\n" x\nB=1\n"',
    "A=$B", "A=${B}", "B=1\nA=${B}", "B=1\nA=$B", "B=1\nA='${B}'", 'B=1\nA="${B}"', "A=${B}\nB=1", "A=${B:-d}", "A=${B:-}", "A='${B:-d e}'",
    "A=${B:-#d}", "A=${B:-d #e}", "B=\nA=${B:-d}", "B\nA=${B:-d}", "A=${B:d}", "A=${B-d}", "A=${}", "A=${", "A=${B", "A=$${B}", "B=1\nA=\\${B}",
    'B=1\nA="\\${B}"', "A=${B:-${C}}", "B=${A}\nA=${B}", "A=1\nA=${A}2\nA=${A}3", "A=$", "A=a$b$c", "A=${P}", "P=file\nA=${P}\nB=${P:-d}",
    "A=${E}", "A=${E:-d}", "B=${P}${P:-x}${Q:-y}z", "B='x${P}\ny'", "A=${:-d}", "A=${ P }", "A=${B:-d}}", "A={${P}}", "B=$(x)`y`",
    "B=\u00e9\u4e2d\U0001f600", "\u00e9=1", "A-B=1", "A.B=1", "1A=1", "a=1\nA=2", "A==1", "A=1=2", "A:1", "A: 1", "A=*?[]{}()&|;<>!~", "A=\x00",
    "A=1\x0bB=2", "A=1\u2028B=2", "A=1\x85B=2", "\x0cA=1", "A\x0b=1", "A=1\n\n\n\nB=2\n\n", "A=1\n  \n\t\nB=2", "B=1#\nA=2", "A='x'\\\nB=1",
]
ALPHABET = list("AB=== '\"\\#$${}:-nt\n\n \t\r") + ["export ", "A=", "\nB=", "${A}", "${B:-x}", "='", '="', "\\'", '\\"', " #", "\r\n", "\u00e9", "P", "${P}"]
PROCESS = {"P": "process ${A}", "E": ""}


def expected(text):
    with tempfile.NamedTemporaryFile("wb") as file:
        file.write(text.encode())
        file.flush()
        # What `load_dotenv` adds to the process's environment.
        values = dotenv.main.DotEnv(file.name, encoding="utf-8", override=False).dict()
        with open(file.name, encoding="utf-8") as stream:
            errors = sum(binding.error for binding in parse_stream(stream))
    return {name: value for name, value in values.items() if value is not None}, errors


def reference_files():
    for form in PASSWORD_FORMS:
        text = REFERENCE.replace("@", form, 1) if form else REFERENCE
        for end in ("\n", "\r\n"):
            for mark in ("", "\ufeff"):
                yield mark + text.replace("\n", end)


def random_files(count):
    source = random.Random(11)
    for _ in range(count):
        yield "".join(source.choice(ALPHABET) for _ in range(source.randint(1, 24)))


def main():
    logging.disable()
    os.environ.clear()
    os.environ.update(PROCESS)
    cases = []
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    for text in [*CHOSEN, *reference_files(), *random_files(count)]:
        values, errors = expected(text)
        cases.append(json.dumps({"text": text, "values": values, "bad_lines": errors}))
    print('{"process": ' + json.dumps(PROCESS) + ', "cases": [')
    print(",\n".join(cases))
    print("]}")


main()
