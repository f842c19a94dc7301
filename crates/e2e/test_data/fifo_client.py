"""A role that knows the runtime protocol by paths alone: it opens files and FIFOs, and no Unix socket.

It answers lines on its endpoint `Lines`, one line each, as services/node-cloud's worker does, and prints `stopping`.
"""

import datetime
import os
import socket
import sys
import threading
import uuid
import xml.etree.ElementTree as xml

CLIENT = str(uuid.uuid4())
FOR_EVER = "9999-12-31T23:59:59.999Z"

STATE = """<?xml version="1.0" encoding="utf-8"?>
<CurrentState><StatusLease ClientId="{client}"><Acquire>
<Incarnation>{incarnation}</Incarnation><Status>{status}</Status><StatusDetail>{status}</StatusDetail>
<Expiration>{expiration}</Expiration></Acquire></StatusLease></CurrentState>
"""


class Host:
    """The goal states as they come, and the way back."""

    def __init__(self):
        discovery = xml.parse(os.environ["WaRuntimeEndpoint"])
        for endpoint in discovery.iter("RuntimeServerEndpoint"):
            if endpoint.get("version") == "2011-03-08":
                # Waits until the host opens the other end.
                self.goal_states = open(endpoint.get("path"), "rb")
        self.next_goal()

    def next_goal(self):
        """Blank lines are skipped, then come a length in hex and so many bytes."""
        line = b""
        while not line.strip():
            line = self.goal_states.readline(100)
            if not line:
                sys.exit("an end of file, which a FIFO must not have")
        goal = xml.fromstring(self.goal_states.read(int(line, 16)))
        self.incarnation = goal.findtext("Incarnation")
        self.expected_state = goal.findtext("ExpectedState")
        self.current_state = goal.findtext("CurrentStateEndpoint")
        self.environment = xml.parse(goal.findtext("RoleEnvironmentPath")).find("CurrentInstance")

    def say(self, status, expiration=FOR_EVER):
        document = STATE.format(
            client=CLIENT, incarnation=self.incarnation, status=status, expiration=expiration
        )
        # One write: those of several writers must not mix.
        with open(self.current_state, "wb", buffering=0) as fifo:
            fifo.write(document.encode())

    def follow(self):
        while True:
            self.next_goal()
            if self.expected_state == "Stopped":
                print("stopping", flush=True)
                self.say("Stopped")


host = Host()


def endpoint(name):
    return host.environment.find(f"Endpoints/Endpoint[@name='{name}']")


def answer(name, *values):
    if name == "id":
        return host.environment.get("id")
    if name == "endpoint":
        found = endpoint(*values)
        return f"{found.get('protocol')} {found.get('address')}:{found.get('port')}"
    if name == "resource":
        found = host.environment.find(f"LocalResources/LocalResource[@name='{values[0]}']")
        with open(os.path.join(found.get("path"), "visited.txt"), "w") as visited:
            visited.write("visited\n")
        return f"{found.get('path')} {found.get('sizeInMB')}"
    if name == "busy":
        now = datetime.datetime.now(datetime.timezone.utc)
        until = now + datetime.timedelta(milliseconds=int(values[0]))
        host.say("Busy", until.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        return "busy"
    if name == "recycle":
        host.say("Recycle")
        return "recycling"
    return "what?"


def serve(connection):
    with connection, connection.makefile("rw", newline="\n") as lines:
        for line in lines:
            print(answer(*line.split()), file=lines, flush=True)


own = endpoint("Lines")
listener = socket.create_server((own.get("address"), int(own.get("port"))))
threading.Thread(target=host.follow, daemon=True).start()
host.say("Started")
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
