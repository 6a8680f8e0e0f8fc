"""Prints, as JSON, the words of transformers' config classes: of `["BertConfig", …]`."""

import json
import sys

import transformers

print(json.dumps({c: [*getattr(transformers, c)().to_dict()] for c in json.loads(sys.argv[1])}))
