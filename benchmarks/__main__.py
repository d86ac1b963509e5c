"""`python -m benchmarks run | quick | relay | observed | list`."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from . import observed, quick, relay, report
from .rounds import Results, install, interleaved, together
from .servers import server
from .systems import SYSTEMS
from .workloads import ONCE, WORKLOADS

CONSOLE = Console(stderr=True)
RESULTS = Path(__file__).parent / "results"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="everything, interleaved; writes docs/benchmarks.md (long)")
    run.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    run.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="NAME")
    run.add_argument("--rounds", type=int, default=3)
    run.add_argument("--no-docs", action="store_true", help="leave docs/benchmarks.md as it is")
    small = commands.add_parser("quick", help="Monarq, arq and the raw loop, under 5 minutes")
    carried = commands.add_parser("relay", help="the outbox's relay, with arq's enqueue as the yardstick")
    watched = commands.add_parser("observed", help="what metrics and traces cost, of CPU per job")
    commands.add_parser("list", help="name the workloads and systems")
    again = commands.add_parser("report", help="write docs/benchmarks.md from a result file")
    again.add_argument("file", type=Path)
    for command in (run, small, carried, watched):
        command.add_argument(
            "--server", default="valkey", help="valkey (embedded) or a binary such as redis-server"
        )
        command.add_argument(
            "--scale", type=float, default=1.0, help="times every number of jobs, for trials"
        )
        command.add_argument(
            "--json", action="store_true", help="print the results as JSON on standard output"
        )
    return parser.parse_args()


def say(text: str) -> None:
    CONSOLE.print(f"{time.strftime('%H:%M:%S')}  {text}", markup=False, soft_wrap=True)


def save(name: str, document: dict[str, Any]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / name
    path.write_text(json.dumps(document, indent=1))
    return path


def run(options: argparse.Namespace) -> None:
    results = Results()
    with server(options.server) as redis:
        facts = report.facts(redis, options.rounds, options.scale)
        systems = install([SYSTEMS[name] for name in options.systems], results, say)
        interleaved(
            systems,
            options.workloads,
            redis,
            rounds=options.rounds,
            scale=options.scale,
            results=results,
            say=say,
        )
    for workload in (name for name in options.workloads if name in ONCE):
        chosen = [system for system in systems if workload in system.workloads]
        together(chosen, workload, options.server, options.scale, results, say)
    document = {**results.as_json(), "facts": facts}
    say(f"wrote {save('latest.json', document)}")
    complete = set(options.workloads) == set(WORKLOADS) and options.scale == 1.0
    if complete and not options.no_docs:
        say(f"wrote {report.write(document)}")
    if options.json:
        print(json.dumps({"medians": results.medians(), **document}))
    else:
        print(report.render(document))


def main() -> int:
    options = arguments()
    if options.command == "run":
        run(options)
    elif options.command == "quick":
        document = quick.run(options.server, options.scale, say)
        say(f"wrote {save('quick.json', document)}")
        print(json.dumps(document, indent=None if options.json else 1))
    elif options.command == "relay":
        document = relay.run(options.server, options.scale, say)
        say(f"wrote {save('relay.json', document)}")
        print(json.dumps(document["medians"], indent=None if options.json else 1))
    elif options.command == "observed":
        document = observed.run(options.server, options.scale, say)
        say(f"wrote {save('observed.json', document)}")
        print(json.dumps(document, indent=1))
    elif options.command == "report":
        print(report.write(json.loads(options.file.read_text())))
    else:
        print("workloads:", *WORKLOADS, "\nsystems:  ", *SYSTEMS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
