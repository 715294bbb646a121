"""Renders a Helm chart with each of its values files and validates every object.

Helm's engine installs into memory against a small pretend API server in this process, because it
has no render-only call. The second argument says in JSON how many connections to PostgreSQL a
replica of each service may open: {"auth": 10, ...}. Prints one JSON object: values_files,
deployments and hpas (rendered with the default values), connections (to PostgreSQL at most, of the
values file that allows most), invalid (how many problems) and problems.
"""

import asyncio
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import kubernetes_validate
import yaml

KUBERNETES = "1.32"
# To PostgreSQL, of all replicas together.
MOST_CONNECTIONS = 200
# What the pretend server claims to know: group/version -> kinds (with "!" when not namespaced).
KINDS = {
    "v1": "Service ConfigMap Secret ServiceAccount Pod PersistentVolumeClaim !Namespace",
    "apps/v1": "Deployment StatefulSet DaemonSet",
    "batch/v1": "Job CronJob",
    "autoscaling/v2": "HorizontalPodAutoscaler",
    "policy/v1": "PodDisruptionBudget",
    "networking.k8s.io/v1": "NetworkPolicy Ingress !IngressClass",
    "rbac.authorization.k8s.io/v1": "Role RoleBinding !ClusterRole !ClusterRoleBinding",
    "scheduling.k8s.io/v1": "!PriorityClass",
    "gateway.networking.k8s.io/v1": "Gateway HTTPRoute GRPCRoute",
    "cert-manager.io/v1": "Certificate Issuer",
    "monitoring.coreos.com/v1": "ServiceMonitor PodMonitor PrometheusRule",
}
# Kinds of other projects: rendered and counted, but Kubernetes' own schemas do not describe them.
FOREIGN = ("gateway.networking.k8s.io", "cert-manager.io", "monitoring.coreos.com")


def plural(kind):
    lower = kind.lower()
    if lower.endswith("y") and not lower.endswith("ey"):
        return lower[:-1] + "ies"
    return lower + ("es" if lower.endswith("s") else "s")


def resources(group_version):
    listed = []
    for kind in KINDS[group_version].split():
        namespaced, name = not kind.startswith("!"), kind.lstrip("!")
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        listed.append({"name": plural(name), "singularName": name.lower(), "kind": name,
                       "namespaced": namespaced, "verbs": verbs})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
            "resources": listed}


def discovery(path):
    """The answer to a discovery request; None when it is about an object."""
    if path == "/version":
        major, minor = KUBERNETES.split(".")
        return {"major": major, "minor": minor, "gitVersion": f"v{KUBERNETES}.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = []
        for group_version in KINDS:
            if "/" in group_version:
                group, version = group_version.split("/")
                entry = {"groupVersion": group_version, "version": version}
                groups.append({"name": group, "versions": [entry], "preferredVersion": entry})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    for group_version in KINDS:
        root = "/api/v1" if group_version == "v1" else f"/apis/{group_version}"
        if path == root:
            return resources(group_version)
    return None


class PretendApi(BaseHTTPRequestHandler):
    """Knows no object and accepts every one."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def do_GET(self):
        path = self.path.split("?")[0].rstrip("/")
        known = discovery(path)
        if known is not None:
            return self.answer(200, known)
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                   "message": "not found", "code": 404}
        return self.answer(404, missing)

    def do_POST(self):
        raw = self.body()
        if "json" not in self.headers.get("Content-Type", ""):
            # Makes the client send JSON instead of protobuf.
            return self.answer(415, {"kind": "Status", "apiVersion": "v1", "code": 415})
        return self.answer(201, json.loads(raw or b"{}"))

    do_PUT = do_PATCH = do_DELETE = do_POST

    def log_message(self, *_):
        pass


def kubeconfig(port):
    return {"apiVersion": "v1", "kind": "Config", "current-context": "render",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "render", "context": {"cluster": "c", "user": "u"}}]}


def values_files(chart):
    """The default values first, then every other values file that comes with the chart."""
    extra = sorted(chart.glob("values-*.yaml")) + sorted(chart.glob("ci/*.yaml"))
    return [chart / "values.yaml"] + extra


def without_hooks(chart, folder):
    """A copy whose hooks are ordinary objects: a hook would be waited for, and nothing runs here."""
    copy = pathlib.Path(folder) / chart.name
    shutil.copytree(chart, copy)
    for template in copy.glob("templates/*.yaml"):
        lines = template.read_text().splitlines(keepends=True)
        template.write_text("".join(line for line in lines if "helm.sh/hook" not in line))
    return copy


async def render(chart, values):
    import helm_sdkpy

    config = helm_sdkpy.Configuration(namespace="switchyard")
    install = helm_sdkpy.Install(config)
    release = await install.run("yard", str(chart), values=values, wait=False)
    return [doc for doc in yaml.safe_load_all(release["manifest"]) if doc]


def problems_of(doc):
    name = f"{doc.get('kind')}/{doc.get('metadata', {}).get('name')}"
    if str(doc.get("apiVersion", "")).startswith(FOREIGN):
        return []
    try:
        kubernetes_validate.validate(doc, KUBERNETES, strict=True)
    except Exception as error:  # the library has several kinds; all mean "not valid"
        return [f"{name}: {str(error).splitlines()[0]}"]
    return []


def connections(docs, pools):
    """What all replicas open at most, when every service is scaled out as far as it may be."""
    total = 0
    for doc in docs:
        if doc.get("kind") == "HorizontalPodAutoscaler":
            service = doc["metadata"]["labels"]["app.kubernetes.io/name"]
            total += doc["spec"]["maxReplicas"] * pools.get(service, 0)
    return total


async def main(chart, pools):
    from helm_sdkpy import Configuration, Lint

    figures = {"values_files": 0, "deployments": 0, "hpas": 0, "connections": 0, "invalid": 0,
               "problems": []}
    try:
        await Lint(Configuration(namespace="switchyard")).run(str(chart))
    except Exception as error:
        figures["problems"].append(f"lint: {error}")
    for path in values_files(chart):
        figures["values_files"] += 1
        values = yaml.safe_load(path.read_text()) or {}
        try:
            docs = await render(chart, values)
        except Exception as error:
            figures["problems"].append(f"{path.name}: {error}")
            continue
        if not docs:
            figures["problems"].append(f"{path.name}: renders nothing")
        if path.name == "values.yaml":
            kinds = [doc.get("kind") for doc in docs]
            figures["deployments"] = kinds.count("Deployment")
            figures["hpas"] = kinds.count("HorizontalPodAutoscaler")
        opened = connections(docs, pools)
        figures["connections"] = max(figures["connections"], opened)
        if opened > MOST_CONNECTIONS:
            text = f"{opened} connections to PostgreSQL at most, where {MOST_CONNECTIONS} are promised"
            figures["problems"].append(f"{path.name}: {text}")
        for doc in docs:
            figures["problems"] += [f"{path.name}: {text}" for text in problems_of(doc)]
    figures["invalid"] = len(figures["problems"])
    print(json.dumps(figures))


if __name__ == "__main__":
    chart = pathlib.Path(sys.argv[1])
    if len(sys.argv) > 3:
        asyncio.run(main(chart, json.loads(sys.argv[2])))
        sys.exit(0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), PretendApi)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        config_file = pathlib.Path(folder) / "kubeconfig"
        config_file.write_text(yaml.safe_dump(kubeconfig(server.server_port)))
        # The engine reads its environment once, when a process starts: so it gets its own.
        env = os.environ | {"KUBECONFIG": str(config_file), "HELM_DRIVER": "memory"}
        child = [sys.executable, __file__, str(without_hooks(chart, folder)), sys.argv[2], "render"]
        sys.exit(subprocess.run(child, env=env, check=False).returncode)
