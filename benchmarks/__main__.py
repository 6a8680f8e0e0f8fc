"""`python -m benchmarks [--quick] [--only NAME,…] [--rounds N] [--threads N] [--list]`."""

import argparse
import json
import os
import shlex
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from benchmarks import contest, materials, plot, report, works

RESULTS = materials.HERE / "results.json"


def parse(argv):
    """Flags -> namespace. Unknown works stop with the list of known ones."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="the rows asked for first, in few rounds"
    )
    parser.add_argument("--only", default="", metavar="NAME,…", help="just these works")
    parser.add_argument("--rounds", type=int, help="rounds of every work")
    parser.add_argument("--threads", type=int, default=1, help="for everyone; default 1")
    parser.add_argument("--list", action="store_true", help="name the works and stop")
    flags = parser.parse_args(argv)
    known = {work.name: work for work in works.WORKS}
    names = [name for name in flags.only.split(",") if name]
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--only: known works are {', '.join(known)}. Received: {', '.join(unknown)}")
    if names:
        flags.works = [known[name] for name in names]
    elif flags.quick:
        flags.works = [work for work in works.WORKS if work.quick]
    else:
        flags.works = [work for work in works.WORKS if not work.only_by_name]
    return flags


def main(argv):
    """Measures, and writes after each work what there is. -> exit code."""
    flags = parse(argv)
    if flags.list:
        print("\n".join(f"{work.name:20} {work.title}" for work in works.WORKS))
        return 0
    results = report.load(RESULTS) if RESULTS.is_file() else {"works": {}}
    command = shlex.join(["python", "-m", "benchmarks", *argv])
    began, failed = time.perf_counter(), []
    try:
        for work in flags.works:
            rounds = flags.rounds or (flags.quick and work.quick) or work.rounds
            print(f"{work.name}: {work.title}", flush=True)
            try:
                result = contest.run(work, rounds, flags.threads, flags.quick)
            except ValueError as error:
                print(f"  left out: {error}", flush=True)
                failed.append(work.name)
                continue
            told = {"command": command, "quick": flags.quick, "machine": report.machine()}
            results["works"].pop(work.name, None)  # the newest comes last
            results["works"][work.name] = result | told | {"date": time.strftime("%Y-%m-%d")}
            failed += [f"{work.name} {x}" for x, row in result["rows"].items() if "error" in row]
            save(results, RESULTS)
            print(f"  {time.perf_counter() - began:.0f} s so far", flush=True)
    except KeyboardInterrupt:
        print("\nStopped; what was measured before is kept.")
        return 130
    print(f"Written: {RESULTS.with_name('RESULTS.md')}")
    if failed:
        print(f"Failed: {'; '.join(failed)}. The table says why; logs: {materials.WORK}/logs")
    return int(bool(failed))


def save(results, path):
    """Writes results.json at `path`, RESULTS.md and the plots beside it; these last."""
    picture = path.with_suffix(".png")
    results["plot"] = picture.name if plot.bars(results["works"]) else None
    report.write_atomically(path, json.dumps(results, indent=1) + "\n")
    report.write_atomically(path.with_name("RESULTS.md"), report.render(results))
    plot.draw(results["works"], picture)
    plot.glance(results["works"], path.with_name("at_a_glance.png"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
