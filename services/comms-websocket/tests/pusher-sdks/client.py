"""The unmodified pysher, told by one JSON list a line what to do and telling by one JSON object a line
what it sees. It signs joins itself, as the library does when it is given the secret.

python client.py HOST PORT KEY SECRET
"""

import json
import sys

import pysher

host, port, key, secret = sys.argv[1:]
client = pysher.Pusher(key, secret=secret, custom_host=host, port=int(port), secure=False)


def tell(what, **more):
    print(json.dumps({"what": what, **more}), flush=True)


def subscribe(name):
    channel = client.subscribe(name)
    channel.bind("pusher_internal:subscription_succeeded", lambda data: tell("subscribed", name=name))
    for event in ("order.shipped", "client-typing"):
        channel.bind(event, lambda data, event=event: tell("heard", event=event, data=data))


def trigger(name, event, data):
    client.channel(name).trigger(event, data)


client.connection.bind("pusher:connection_established", lambda data: tell("connected"))
client.connection.bind("pusher:error", lambda data: tell("error", data=data))
client.connect()
for line in sys.stdin:
    action, *args = json.loads(line)
    {"subscribe": subscribe, "trigger": trigger}[action](*args)
