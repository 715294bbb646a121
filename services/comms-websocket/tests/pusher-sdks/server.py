"""The unmodified `pusher` of PyPI. Each line is a call, {"call": name, "args": […]}, and is answered
by one line.

python server.py HOST PORT APP_ID KEY SECRET
"""

import json
import sys

import pusher

host, port, app_id, key, secret = sys.argv[1:]
client = pusher.Pusher(app_id=app_id, key=key, secret=secret, host=host, port=int(port), ssl=False)


def answer(call, args):
    try:
        return {"value": getattr(client, call)(*args)}
    except pusher.errors.PusherError as error:
        return {"error": type(error).__name__}


for line in sys.stdin:
    print(json.dumps(answer(**json.loads(line))), flush=True)
