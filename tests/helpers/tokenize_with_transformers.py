"""The ids that transformers' tokenizer of a folder gives for texts, as JSON.

python tokenize_with_transformers.py '[folder, …]' '[text, …]'
"""

import json
import sys

import transformers

folders, texts = map(json.loads, sys.argv[1:])
tokenizers = [transformers.AutoTokenizer.from_pretrained(folder) for folder in folders]
print(json.dumps([[tokenizer(text)["input_ids"] for text in texts] for tokenizer in tokenizers]))
