"""Prints the fixed roots in src/trace.rs, computed from the documented layout with nothing but hashlib."""
from hashlib import sha256

H = lambda *parts: sha256(b"".join(parts)).digest()
u64 = lambda n: n.to_bytes(8, "little")
job = bytes([1]) * 32
a, b, c = (H(b"\0", job, u64(i), H(s)) for i, s in enumerate([b"a", b"b", b"c"]))
print("abc    ", H(b"\2", job, u64(3), H(b"\1", H(b"\1", a, b), c)).hex())
print("nothing", H(b"\2", job, u64(0), bytes(32)).hex())
