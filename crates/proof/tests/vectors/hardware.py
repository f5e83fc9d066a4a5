"""The hardware proof's layout, written once more from its description: prints hardware.rs."""
import hashlib, struct

sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()
u32 = lambda x: struct.pack("<I", x)

def line(seed, n, i):
    stream = b"".join(sha(seed, u32(i * n // 32 + t)) for t in range(n // 32))
    return [x - 128 for x in stream]

def top(nodes):
    while len(nodes) > 1:
        nodes = [sha(b"\1", *nodes[i:i + 2]) if i + 1 < len(nodes) else nodes[i] for i in range(0, len(nodes), 2)]
    return nodes[0]

ROUND, DEVICE, N, PASSES = b"\1" * 32, b"\2" * 32, 64, 3
b_seed = sha(b"io/hw/b/1", ROUND, u32(N))
b = [line(b_seed, N, j) for j in range(N)]
before, items = bytes(32), []
for p in range(PASSES):
    a_seed = sha(b"io/hw/a/1", ROUND, DEVICE, u32(N), u32(p), before)
    cells = [sum(x * y for x, y in zip(row, col)) for row in (line(a_seed, N, i) for i in range(N)) for col in b]
    leaves = [sha(b"\0", struct.pack("<32i", *cells[m:m + 32])) for m in range(0, N * N, 32)]
    before = sha(b"\2", a_seed, b_seed, u32(N), top(leaves))
    items.append(sha(b"\3", u32(p), before))
commitment = sha(b"\4", ROUND, DEVICE, u32(N), u32(PASSES), top(items))

# The walk through memory.
M64 = (1 << 64) - 1
SEED, START, SEGMENTS, STRIDES, HOPS, PARENTS = b"\3" * 32, b"\4" * 32, 40, 96, 16, 8

def scramble(x):
    x = x + 0x9E3779B97F4A7C15 & M64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & M64
    x = (x ^ x >> 27) * 0x94D049BB133111EB & M64
    return x ^ x >> 31

def earlier(i, x):
    least = 1 << ((x >> 32) * i.bit_length() >> 32)
    width = min(least, i - least + 1)
    return i - least - ((x & 0xFFFFFFFF) * width >> 32)

def linked(t, count):
    return [earlier(t, scramble(t * 4 + link)) for link in range(count)]

def segment(i):
    f = [sha(SEED, struct.pack("<Q", i))]
    for t in range(1, 128):
        f.append(sha(f[-1], *(f[link] for link in linked(t, 4))))
    m = {127: sha(f[127])}
    for t in reversed(range(127)):
        m[t] = sha(f[t], m[t + 1], *(m[127 - link] for link in linked(127 - t, 3)))
    return struct.unpack("<512Q", b"".join(m[t] for t in range(128)))

memory = [word for i in range(SEGMENTS) for word in segment(i)]
first, key, graph, _ = struct.unpack("<4Q", sha(b"io/hw/walk/2", SEED, START))
states = [first]
for i in range(1, STRIDES + 1):
    state = scramble(states[-1] ^ i ^ key)
    for p in range(PARENTS):
        state = scramble(state ^ states[earlier(i, scramble(graph ^ (i * PARENTS + p)))] ^ key)
    for _ in range(HOPS):
        state = scramble(state ^ memory[state * len(memory) >> 64] ^ key)
    states.append(state)

print("// Printed by hardware.py.")
print(f'const B_SEED: &str = "{b_seed.hex()}";')
print(f"const LINE_30_36: &[i8] = &{line(bytes([1] * 32), 64, 2)[30:36]};")
print(f'const COMMITMENT: &str = "{commitment.hex()}";')
print(f"const WALK_END: u64 = {states[-1]:#x};")
