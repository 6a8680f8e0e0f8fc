"""`python -m notebooks [--all] [NAME …]`: executes the `.py` files here into `.ipynb` beside them.

Of one whose code has not changed since, the outputs are kept.
"""

import argparse
import sys

try:
    from notebooks import execution
except ImportError as error:
    sys.exit(f'{error}. What executes notebooks is an extra: pip install ".[notebooks]"')


def main(argv):
    """Executes what has changed. -> exit code"""
    parser = argparse.ArgumentParser("python -m notebooks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="just these, as 01_first_steps")
    parser.add_argument("--all", action="store_true", help="those that have not changed, too")
    flags = parser.parse_args(argv)
    known = {path.stem: path for path in execution.sources()}
    if unknown := [name for name in flags.names if name not in known]:
        parser.error(f"notebooks are {', '.join(known)}. Received: {', '.join(unknown)}")
    for name in flags.names or known:
        written = execution.read(known[name])
        target = known[name].with_suffix(".ipynb")
        executed = None if flags.all else execution.with_outputs(written, target)
        if executed is None:
            print(f"{name}: a minute to five …", flush=True)
            try:
                executed = execution.execute(written)
            except execution.Failed as error:
                print(error, file=sys.stderr)
                return 1
        else:
            print(f"{name}: executed already (python -m notebooks --all does it again)")
        execution.write(executed, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
