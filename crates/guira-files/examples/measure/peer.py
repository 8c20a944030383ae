"""One peer's part of a round: `peer.py chorde|diskcache DIRECTORY VALUE_BYTES ENTRIES PASSES`.

Prints a line for each step: its name, calls, seconds of this thread on a processor, seconds by the wall clock. Only
the loop of calls is timed. Exits with 3, and the reason on the last line, if the peer is not installed.
"""

import os
import sys
import time

name, directory = sys.argv[1:3]
value_bytes, entries, passes = (int(number) for number in sys.argv[3:6])
LIFETIME = 3600


class Chorde:
    def __init__(self):
        from chorde.clients.files import FilesCacheClient

        # A raw value above 16 KiB is given as a map, smaller ones as bytes.
        self.cache = FilesCacheClient(1 << 30, directory, checksum_key=b"measure", mmap_raw=True)

    def put(self, key, value):
        self.cache.put(key, value, LIFETIME)

    def map(self, key):
        value = self.cache.get(key)
        return value[0] + value[-1]

    def copy(self, key):
        value = self.cache.get(key)[:]
        return value[0] + value[-1]


class Diskcache:
    def __init__(self):
        from diskcache import Cache

        self.cache = Cache(directory, size_limit=1 << 30)
        self.is_file = value_bytes >= self.cache.disk.min_file_size

    def put(self, key, value):
        self.cache.set(key, value, expire=LIFETIME)

    def map(self, key):
        # It has no maps: an open file is the nearest to one. None of its bytes is read.
        value = self.cache.get(key, read=True)
        if self.is_file:
            return value.fileno()
        return value[0] + value[-1]

    def copy(self, key):
        value = self.cache.get(key)
        return value[0] + value[-1]


def new_client():
    return {"chorde": Chorde, "diskcache": Diskcache}[name]()


def step(step_name, call, arguments, passes=1):
    begin, wall_begin = time.thread_time(), time.perf_counter()
    for _ in range(passes):
        for argument in arguments:
            call(*argument)
    took, wall = time.thread_time() - begin, time.perf_counter() - wall_begin
    print(step_name, passes * len(arguments), took, wall)


try:
    client = new_client()
except ImportError as error:
    print(error)
    sys.exit(3)
keys = ["entry %d" % n for n in range(entries)]
first, second = ([os.urandom(value_bytes) for _ in keys] for _ in range(2))
step("put-new", client.put, list(zip(keys, first)))
step("put-over", client.put, list(zip(keys, second)))
asked = [(key,) for key in keys]
client = new_client()
step("map-opened", client.map, asked)
step("map-again", client.map, asked, passes)
client = new_client()
step("copy-opened", client.copy, asked)
step("copy-again", client.copy, asked, passes)
for key, value in zip(keys, second):
    got = client.cache.get(key)
    assert got[:] == value, "a wrong value"
