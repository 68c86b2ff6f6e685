"""The JetStream, key-value and object store surface of nats-py against a running server.

    pip install nats-py
    python3 nats_py_surface.py nats://127.0.0.1:4222

Prints a line per part and exits 1 at the first thing that is not as it should be.
"""

import asyncio
import sys
import time

import nats
from nats.js import api, errors


async def streams(js):
    info = await js.add_stream(name="PY", subjects=["py.>"], max_msgs=1000)
    assert info.config.name == "PY" and info.state.messages == 0
    acks = [await js.publish(f"py.{n % 3}", str(n).encode()) for n in range(30)]
    assert [a.seq for a in acks] == list(range(1, 31))
    first = await js.publish("py.id", b"x", headers={"Nats-Msg-Id": "one"})
    again = await js.publish("py.id", b"x", headers={"Nats-Msg-Id": "one"})
    assert (first.seq, again.seq, again.duplicate) == (31, 31, True)
    futures = [await js.publish_async("py.async", b"y") for _ in range(200)]
    await js.publish_async_completed()
    assert [f.result().seq for f in futures] == list(range(32, 232))
    try:
        await js.publish("py.x", b"", headers={"Nats-Expected-Last-Sequence": "1"})
        raise AssertionError("a wrong expectation was accepted")
    except errors.APIError as e:
        assert e.err_code == 10071, e
    info = await js.stream_info("PY", subjects_filter=">")
    assert info.state.messages == 231 and info.state.subjects["py.async"] == 200
    assert (await js.find_stream_name_by_subject("py.1")) == "PY"
    msg = await js.get_msg("PY", 2)
    assert (msg.subject, msg.data) == ("py.1", b"1")
    assert (await js.get_last_msg("PY", "py.2")).data == b"29"
    assert (await js.get_msg("PY", 4, next=True, subject="py.0")).seq == 4
    assert await js.delete_msg("PY", 2)
    try:
        await js.get_msg("PY", 2)
        raise AssertionError("a deleted message was read")
    except errors.NotFoundError:
        pass
    await js.update_stream(name="PY", subjects=["py.>"], max_msgs=100, description="smaller")
    assert (await js.stream_info("PY")).state.messages == 100
    assert await js.purge_stream("PY", subject="py.async", keep=10)
    assert (await js.stream_info("PY")).state.messages == 10
    assert "PY" in [s.config.name for s in await js.streams_info()]
    account = await js.account_info()
    assert account.streams == 1, account
    assert await js.delete_stream("PY")
    try:
        await js.stream_info("PY")
        raise AssertionError("a deleted stream was found")
    except errors.NotFoundError:
        pass


async def pull_consumers(js):
    await js.add_stream(name="PULL", subjects=["pull.*"])
    for n in range(50):
        await js.publish(f"pull.{n % 2}", str(n).encode())
    sub = await js.pull_subscribe("pull.0", durable="d")
    batch = await sub.fetch(10)
    assert [m.data for m in batch] == [str(n).encode() for n in range(0, 20, 2)]
    for m in batch[:8]:
        await m.ack_sync()
    await batch[8].nak()
    await batch[9].term()
    # Acks and pulls may overtake each other: take all there is, then look.
    rest = []
    while len(rest) < 16:
        rest += await sub.fetch(16 - len(rest), timeout=5)
    await rest[0].in_progress()
    assert [m.metadata.num_delivered for m in rest if m.data == b"16"] == [2], rest
    for m in rest:
        await m.ack_sync()
    info = await sub.consumer_info()
    assert (info.num_pending, info.num_ack_pending, info.ack_floor.consumer_seq) == (0, 0, 26), info
    try:
        await sub.fetch(1, timeout=0.2)
        raise AssertionError("a message came out of nowhere")
    except nats.errors.TimeoutError:
        pass
    late = await js.pull_subscribe("pull.*", config=api.ConsumerConfig(deliver_policy=api.DeliverPolicy.LAST_PER_SUBJECT))
    assert sorted(m.data for m in await late.fetch(2)) == [b"48", b"49"]
    await js.add_consumer("PULL", durable_name="several", filter_subjects=["pull.0", "pull.1"])
    assert {c.name for c in await js.consumers_info("PULL")} >= {"d", "several"}
    paused = await js.pause_consumer("PULL", "several", "2099-01-01T00:00:00Z")
    assert paused.paused
    assert not (await js.resume_consumer("PULL", "several")).paused
    assert await js.delete_consumer("PULL", "several")
    await js.delete_stream("PULL")


async def push_consumers(js):
    await js.add_stream(name="PUSH", subjects=["push"])
    for n in range(20):
        await js.publish("push", str(n).encode())
    sub = await js.subscribe("push", durable="p", manual_ack=True)
    for n in range(20):
        m = await sub.next_msg(timeout=5)
        assert m.data == str(n).encode()
        await m.ack()
    await sub.unsubscribe()
    ordered = await js.subscribe("push", ordered_consumer=True)
    got = [(await ordered.next_msg(timeout=5)).data for _ in range(20)]
    assert got == [str(n).encode() for n in range(20)]
    await ordered.unsubscribe()
    counts = [0, 0]
    done = asyncio.Event()

    def member(n):
        async def cb(m):
            counts[n] += 1
            if sum(counts) == 20:
                done.set()
        return cb

    for n in range(2):
        await js.subscribe("push", queue="workers", cb=member(n))
    await asyncio.wait_for(done.wait(), 10)
    assert sum(counts) == 20
    flow = await js.subscribe("push", idle_heartbeat=0.5, flow_control=True)
    for n in range(20):
        assert (await flow.next_msg(timeout=5)).data == str(n).encode()
    await js.delete_stream("PUSH")


async def key_value(js):
    kv = await js.create_key_value(bucket="KVS", history=5)
    assert await kv.put("a", b"1") == 1
    assert await kv.put("a", b"2") == 2
    assert (await kv.get("a")).value == b"2"
    assert (await kv.get("a", revision=1)).value == b"1"
    assert await kv.create("b", b"x") == 3
    try:
        await kv.create("b", b"y")
        raise AssertionError("a key was created twice")
    except errors.KeyWrongLastSequenceError:
        pass
    assert await kv.update("b", b"z", last=3) == 4
    try:
        await kv.update("b", b"w", last=3)
        raise AssertionError("a stale update was accepted")
    except errors.KeyWrongLastSequenceError:
        pass
    assert sorted(await kv.keys()) == ["a", "b"]
    assert [e.value for e in await kv.history("a")] == [b"1", b"2"]
    watcher = await kv.watchall()
    seen = {}
    while (entry := await watcher.updates(timeout=5)) is not None:
        seen[entry.key] = entry.value
    assert seen == {"a": b"2", "b": b"z"}
    await kv.delete("a")
    entry = await watcher.updates(timeout=5)
    assert (entry.key, entry.operation) == ("a", "DEL")
    await watcher.stop()
    try:
        await kv.get("a")
        raise AssertionError("a deleted key was read")
    except errors.KeyNotFoundError:
        pass
    await kv.purge("b")
    await kv.purge_deletes(olderthan=0)
    assert (await kv.status()).values == 0
    assert await js.delete_key_value("KVS")


async def object_store(js):
    store = await js.create_object_store("OBJS")
    big = bytes(range(256)) * 4096
    info = await store.put("big", big)
    assert info.size == len(big) and info.chunks == 8
    assert (await store.get("big")).data == big
    await store.put("small", b"hello")
    assert sorted(i.name for i in await store.list()) == ["big", "small"]
    await store.update_meta("small", api.ObjectMeta(name="small", description="d"))
    assert (await store.get_info("small")).description == "d"
    await store.put("big", b"now small")
    assert (await store.get("big")).data == b"now small"
    await store.delete("big")
    try:
        await store.get("big")
        raise AssertionError("a deleted object was read")
    except errors.ObjectNotFoundError:
        pass
    await store.seal()
    assert (await store.status()).sealed
    assert await js.delete_object_store("OBJS")


async def main(url):
    nc = await nats.connect(url)
    js = nc.jetstream()
    for part in (streams, pull_consumers, push_consumers, key_value, object_store):
        start = time.monotonic()
        await part(js)
        print(f"ok {part.__name__} ({time.monotonic() - start:.2f} s)", flush=True)
    await nc.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "nats://127.0.0.1:4222"))
