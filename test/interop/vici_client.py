"""vici_client - strongSwan's control protocol as its README has it, in a page of Python: one connection, commands,
events, streams of them. Sections are dicts, lists are lists, values are bytes."""
import socket
import struct

CMD_REQUEST, CMD_RESPONSE, CMD_UNKNOWN, EVENT_REGISTER, EVENT_UNREGISTER, EVENT_CONFIRM, EVENT_UNKNOWN, EVENT = range(8)
SECTION_START, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END = range(1, 7)


def _name(text):
    raw = text.encode()
    return struct.pack("!B", len(raw)) + raw


def _value(value):
    raw = value if isinstance(value, bytes) else str(value).encode()
    return struct.pack("!H", len(raw)) + raw


def encode(tree):
    out = b""
    for key, value in tree.items():
        if isinstance(value, dict):
            out += bytes([SECTION_START]) + _name(key) + encode(value) + bytes([SECTION_END])
        elif isinstance(value, (list, tuple)):
            items = b"".join(bytes([LIST_ITEM]) + _value(item) for item in value)
            out += bytes([LIST_START]) + _name(key) + items + bytes([LIST_END])
        else:
            out += bytes([KEY_VALUE]) + _name(key) + _value(value)
    return out


def decode(raw):
    stack, at, items = [{}], 0, None

    def name():
        nonlocal at
        size = raw[at]
        at += 1 + size
        return raw[at - size:at].decode()

    def value():
        nonlocal at
        size = struct.unpack_from("!H", raw, at)[0]
        at += 2 + size
        return raw[at - size:at]

    while at < len(raw):
        kind = raw[at]
        at += 1
        if kind == SECTION_START:
            inner = {}
            stack[-1][name()] = inner
            stack.append(inner)
        elif kind == SECTION_END:
            stack.pop()
        elif kind == KEY_VALUE:
            key = name()
            stack[-1][key] = value()
        elif kind == LIST_START:
            items = []
            stack[-1][name()] = items
        elif kind == LIST_ITEM:
            items.append(value())
        elif kind != LIST_END:
            raise ValueError(f"element {kind} at byte {at}")
    return stack[0]


class Refused(Exception):
    """success = no, with its errmsg."""


class Client:
    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.events = []  # (name, tree) that came in between

    def close(self):
        self.socket.close()

    def send(self, kind, name=None, body=b""):
        packet = bytes([kind]) + (_name(name) if name is not None else b"") + body
        self.socket.sendall(struct.pack("!I", len(packet)) + packet)

    def _exactly(self, n):
        got = b""
        while len(got) < n:
            more = self.socket.recv(n - len(got))
            if not more:
                raise EOFError("the daemon has closed the connection")
            got += more
        return got

    def receive(self):
        """The next packet that is no event; events are kept."""
        while True:
            packet = self._exactly(struct.unpack("!I", self._exactly(4))[0])
            if packet[0] != EVENT:
                return packet[0], packet[1:]
            size = packet[1]
            self.events.append((packet[2:2 + size].decode(), decode(packet[2 + size:])))

    def register(self, *names, kind=EVENT_REGISTER):
        for name in names:
            self.send(kind, name)
            if self.receive()[0] != EVENT_CONFIRM:
                raise Refused(f"no such event: {name}")

    def ask(self, command, tree=None):
        self.send(CMD_REQUEST, command, encode(tree or {}))
        kind, body = self.receive()
        if kind != CMD_RESPONSE:
            raise Refused(f"no such command: {command}")
        answer = decode(body)
        if answer.get("success") == b"no":
            raise Refused(answer.get("errmsg", b"").decode())
        return answer

    def stream(self, command, event, tree=None):
        """A command that answers with events."""
        self.register(event)
        self.events = []
        self.ask(command, tree)
        self.register(event, kind=EVENT_UNREGISTER)
        found = [body for name, body in self.events if name == event]
        self.events = []
        return found

    def wait(self, name, seconds=10):
        """The next event of that name."""
        self.socket.settimeout(seconds)
        while True:
            for i, (got, body) in enumerate(self.events):
                if got == name:
                    del self.events[:i + 1]
                    return body
            packet = self._exactly(struct.unpack("!I", self._exactly(4))[0])
            size = packet[1]
            self.events.append((packet[2:2 + size].decode(), decode(packet[2 + size:])))
