"""Records of a corpus by our pipeline for Apache Beam, on its local runner.

python records_on_beam.py '[text, vocabulary, output, {setting: value}, bytes of a part]'
"""

import json
import sys

from bert_tf2.data.corpus.making import make_pretraining_data
from bert_tf2.data.corpus.on_beam import OnBeam
from bert_tf2.data.corpus.recipes import Settings
from bert_tf2.data.corpus.tokenizers import open_tokenizer

if __name__ == "__main__":
    text, vocabulary, output, settings, size = json.loads(sys.argv[1])
    how = {"on_beam": OnBeam(["--runner=DirectRunner"]), "part_bytes": size, "max_unknown": 0.5}
    tokenizer = open_tokenizer(vocabulary)
    card = make_pretraining_data(text, output, tokenizer, Settings(**settings), **how)
    print(json.dumps(card["counts"]))
