"""Asks transformers' pipelines, which open folders that we wrote.

    python ask_pipelines.py '[[task, folder, settings, [arguments of a call …]], …]'

Prints, as JSON, what each call answers.
"""

import json
import sys

import transformers


def main(jobs):
    transformers.logging.set_verbosity_error()
    answers = []
    for task, folder, settings, calls in jobs:
        pipe = transformers.pipeline(task, model=folder, device="cpu", **settings)
        answers.append([pipe(*given, **how) for given, how in calls])
    print(json.dumps(answers, default=float))


main(json.loads(sys.argv[1]))
