"""Validates the OpenAPI document and drives the API by it; prints one JSON line.

Arguments: document, base URL, file with the session token, seconds.
"""

import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
]


def problems_of(document):
    errors = OpenAPIV31SpecValidator(document).iter_errors()
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in errors]


def operations(document):
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            yield path, verb, operation


def drivable(document):
    """Streams have no end to wait for, and what ends sessions ends the one that the rest needs."""
    for path, verb, operation in operations(document):
        streams = "text/event-stream" in operation["responses"]["200"]["content"]
        ends_sessions = "/sessions/" in f"{path}/" and (
            verb == "delete" or path.endswith("/sessions/revoke"))
        if not streams and not ends_sessions:
            yield operation["operationId"]


def drive(document, path, url, token, seconds, folder):
    skipped = {o["operationId"] for _p, _v, o in operations(document)} - set(drivable(document))
    report = Path(folder) / "report.ndjson"
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", path,
        "--url", url,
        "--header", f"Authorization: Bearer {token}",
        "--header", "X-Yard-Csrf: 1",
        "--checks", ",".join(CHECKS),
        "--phases", "examples,coverage,fuzzing",
        "--max-examples", "25",
        "--max-time", str(seconds),
        "--seed", "7",
        "--request-timeout", "20",
        "--generation-database", "none",
        "--suppress-health-check", "all",
        "--continue-on-failure",
        "--warnings", "off",
        "--no-color",
        "--report", "ndjson",
        "--report-ndjson-path", str(report),
    ]
    for operation in sorted(skipped):
        command += ["--exclude-operation-id", operation]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    return done, report, skipped


def count(report):
    statuses = {}
    for line in report.read_text().splitlines():
        tally(json.loads(line), statuses)
    return statuses


def tally(value, statuses):
    """Counts every response in the report by its status, wherever the format keeps it."""
    if isinstance(value, dict):
        status = value.get("status_code")
        if isinstance(status, int):
            statuses[str(status)] = statuses.get(str(status), 0) + 1
        for inner in value.values():
            tally(inner, statuses)
    elif isinstance(value, list):
        for inner in value:
            tally(inner, statuses)


def lasts(url, token):
    """Whether the session is still one: if a call has ended it, the rest saw only the way in."""
    request = urllib.request.Request(
        f"{url}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as refused:
        # Whoever is asked to come later is known.
        return refused.code == 429


def main():
    path, url, token_file, seconds = sys.argv[1:5]
    path = str(Path(path).resolve())
    document = json.loads(Path(path).read_text())
    invalid = problems_of(document)
    token = Path(token_file).read_text().strip()
    with tempfile.TemporaryDirectory() as folder:
        done, report, skipped = drive(document, path, url, token, int(seconds), folder)
        statuses = count(report) if report.is_file() else {}
    lasted = lasts(url, token)
    total = sum(1 for _ in operations(document))
    answered = sum(statuses.values())
    tail = done.stdout.splitlines()[-120:] + done.stderr.splitlines()[-20:]
    print(json.dumps({
        "invalid": len(invalid),
        "problems": invalid[:20],
        "operations": total,
        "skipped": sorted(skipped),
        "answers": answered,
        "statuses": statuses,
        "server_errors": sum(n for status, n in statuses.items() if status.startswith("5")),
        "session_lasted": lasted,
        "held": done.returncode == 0,
        "tail": [] if done.returncode == 0 else tail,
    }))


main()
