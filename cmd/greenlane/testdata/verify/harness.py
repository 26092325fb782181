# Judges webhooks with the guide's code: cases in, and for each what was said of
# it, null for accepted.
import base64
import json
import sys

import receiver

said = []
for case in json.load(sys.stdin):
    try:
        receiver.verify(case["headers"], base64.b64decode(case["body"]), case["keys"], case["now"])
        said.append(None)
    except receiver.Refused as refused:
        said.append(str(refused))
json.dump(said, sys.stdout)
