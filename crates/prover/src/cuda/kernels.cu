// Hardware proofs on a GPU: expansion, int8 products, hashing, the walk through memory. Compiled by NVRTC.
// Layouts are those of io_proof::hardware::cell and ::memory.

typedef unsigned int u32;
typedef unsigned long long u64;

__constant__ u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

struct Seed { u32 w[8]; };  // big-endian words

__device__ __forceinline__ u32 rotr(u32 x, u32 n) { return (x >> n) | (x << (32 - n)); }
__device__ __forceinline__ u32 swap(u32 x) {
    return (x >> 24) | ((x >> 8) & 0xff00u) | ((x << 8) & 0xff0000u) | (x << 24);
}

__device__ __forceinline__ void begin(u32 s[8]) {
    s[0] = 0x6a09e667; s[1] = 0xbb67ae85; s[2] = 0x3c6ef372; s[3] = 0xa54ff53a;
    s[4] = 0x510e527f; s[5] = 0x9b05688c; s[6] = 0x1f83d9ab; s[7] = 0x5be0cd19;
}

__device__ __forceinline__ void compress(u32 s[8], u32 w[16]) {
    u32 a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
#pragma unroll
    for (int i = 0; i < 64; i++) {
        u32 x;
        if (i < 16) {
            x = w[i];
        } else {
            u32 p = w[(i + 1) & 15], q = w[(i + 14) & 15];
            x = w[i & 15] + (rotr(p, 7) ^ rotr(p, 18) ^ (p >> 3)) + w[(i + 9) & 15]
              + (rotr(q, 17) ^ rotr(q, 19) ^ (q >> 10));
            w[i & 15] = x;
        }
        u32 t = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + x;
        u32 v = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g; g = f; f = e; e = d + t; d = c; c = b; b = a; a = t + v;
    }
    s[0] += a; s[1] += b; s[2] += c; s[3] += d; s[4] += e; s[5] += f; s[6] += g; s[7] += h;
}

// Stream blocks [first, first + count) of a seed, 8 words each; a byte x becomes x - 128 as int8.
extern "C" __global__ void expand(Seed seed, u32 first, u32 count, u32 *out) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    u32 s[8], w[16];
    begin(s);
    for (int j = 0; j < 8; j++) w[j] = seed.w[j];
    w[8] = swap(first + i);
    w[9] = 0x80000000u;
    for (int j = 10; j < 15; j++) w[j] = 0;
    w[15] = 36 * 8;
    compress(s, w);
    for (int j = 0; j < 8; j++) out[(u64)i * 8 + j] = swap(s[j]) ^ 0x80808080u;
}

// SHA-256(prefix byte, words little-endian) for `words` a multiple of 16: the message is shifted by one byte.
__device__ __forceinline__ void hash_shifted(u32 prefix, const u32 *from, int words, u32 s[8]) {
    begin(s);
    u32 carry = prefix, w[16];
    for (int base = 0; base < words; base += 16) {
#pragma unroll
        for (int j = 0; j < 16; j++) {
            u32 x = swap(from[base + j]);
            w[j] = (carry << 24) | (x >> 8);
            carry = x & 0xff;
        }
        compress(s, w);
    }
    w[0] = (carry << 24) | 0x800000u;
#pragma unroll
    for (int j = 1; j < 15; j++) w[j] = 0;
    w[15] = (words * 4 + 1) * 8;
    compress(s, w);
}

// leaf i = SHA-256(0x00, cells 32 i .. 32 i + 31)
extern "C" __global__ void leaves(const u32 *cells, u32 count, u32 *out) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    u32 s[8];
    hash_shifted(0, cells + (u64)i * 32, 32, s);
    for (int j = 0; j < 8; j++) out[(u64)i * 8 + j] = swap(s[j]);
}

// node i = SHA-256(0x01, child 2 i, child 2 i + 1)
extern "C" __global__ void nodes(const u32 *below, u32 count, u32 *out) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    u32 s[8];
    hash_shifted(1, below + (u64)i * 16, 16, s);
    for (int j = 0; j < 8; j++) out[(u64)i * 8 + j] = swap(s[j]);
}

__device__ __forceinline__ u64 scramble(u64 x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

// One of 0..i, by x: at a distance that is uniform within a power of two, and each power equally likely.
__device__ __forceinline__ u32 earlier(u32 i, u64 x) {
    u64 scales = 0;
    while (i >> scales) scales++;
    u64 least = 1ull << ((x >> 32) * scales >> 32);
    u64 width = i - least + 1 < least ? i - least + 1 : least;
    return i - (u32)(least + ((x & 0xffffffffull) * width >> 32));
}

// SHA-256 of 40 words.
__device__ __forceinline__ void hash_40(const u32 in[40], u32 s[8]) {
    u32 w[16];
    begin(s);
    for (int part = 0; part < 2; part++) {
        for (int j = 0; j < 16; j++) w[j] = in[part * 16 + j];
        compress(s, w);
    }
    for (int j = 0; j < 8; j++) w[j] = in[32 + j];
    w[8] = 0x80000000u;
    for (int j = 9; j < 15; j++) w[j] = 0;
    w[15] = 160 * 8;
    compress(s, w);
}

// One segment a thread: the forward chain lies where the backward one will.
extern "C" __global__ void fill(Seed seed, u64 first, u64 segments, u32 *memory) {
    u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= segments) return;
    u32 *at = memory + i * 1024;
    u32 s[8], w[16], in[40];
    u64 index = first + i;
    begin(s);
    for (int j = 0; j < 8; j++) w[j] = seed.w[j];
    w[8] = swap((u32)index);
    w[9] = swap((u32)(index >> 32));
    w[10] = 0x80000000u;
    for (int j = 11; j < 15; j++) w[j] = 0;
    w[15] = 40 * 8;
    compress(s, w);
    for (int t = 0;; t++) {
        for (int j = 0; j < 8; j++) in[j] = at[t * 8 + j] = s[j];
        if (t == 127) break;
        for (int link = 0; link < 4; link++) {
            u32 from = earlier(t + 1, scramble((t + 1) * 4 + link));
            for (int j = 0; j < 8; j++) in[8 + link * 8 + j] = at[from * 8 + j];
        }
        hash_40(in, s);
    }
    begin(s);
    for (int j = 0; j < 8; j++) w[j] = in[j];
    w[8] = 0x80000000u;
    for (int j = 9; j < 15; j++) w[j] = 0;
    w[15] = 32 * 8;
    compress(s, w);
    for (int t = 127;; t--) {
        for (int j = 0; j < 8; j++) at[t * 8 + j] = swap(s[j]);
        if (t == 0) break;
        for (int j = 0; j < 8; j++) { in[j] = at[(t - 1) * 8 + j]; in[8 + j] = s[j]; }
        for (int link = 0; link < 3; link++) {
            u32 from = 127 - earlier(128 - t, scramble((128 - t) * 4 + link));
            for (int j = 0; j < 8; j++) in[16 + link * 8 + j] = swap(at[from * 8 + j]);
        }
        hash_40(in, s);
    }
}

#define STRIDE 16
#define PARENTS 8

// The walk: one thread, each address known when the word before is read. states has strides + 1 places.
extern "C" __global__ void walk(const u64 *memory, u64 words, u64 first, u64 key, u64 graph, u32 strides, u64 *states) {
    if (blockIdx.x != 0 || threadIdx.x != 0) return;
    u64 state = first;
    states[0] = first;
    for (u32 i = 1; i <= strides; i++) {
        u64 parent[PARENTS];
#pragma unroll
        for (int p = 0; p < PARENTS; p++) {
            parent[p] = states[earlier(i, scramble(graph ^ ((u64)i * PARENTS + p)))];
        }
        state = scramble(state ^ i ^ key);
#pragma unroll
        for (int p = 0; p < PARENTS; p++) state = scramble(state ^ parent[p] ^ key);
        for (int hop = 0; hop < STRIDE; hop++) state = scramble(state ^ memory[__umul64hi(state, words)] ^ key);
        states[i] = state;
    }
}

// What only a GPU has. A host's compiler finds stand-ins before this file, as it does for CUDA's own words (tests/cuda/host.cpp).
#if !defined(IO_HOST) && __CUDA_ARCH__ >= 800
// 16 bytes on their way to shared memory. Both ends lie at multiples of 16.
__device__ __forceinline__ void copy_async(void *shared, const int4 *from) {
    u32 to = (u32)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
// Copies since the last commit become one group.
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits for this thread's groups but the newest so many.
template <int NEWEST>
__device__ __forceinline__ void wait_for_copies() { asm volatile("cp.async.wait_group %0;" ::"n"(NEWEST) : "memory"); }
// D = A B + D for a warp: 16 x 32 of A, 32 x 8 of B, 16 x 8 of D, spread over its lanes as the PTX ISA says for m16n8k32.
__device__ __forceinline__ void multiply_add(int d[4], const int a[4], const int b[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

// C = A B for rows of A (row-major) and columns of B (column-major), n values of k each; n a multiple of 128.
// A block of 256 threads computes 128 rows x 128 columns.
#define BM 128
#define BN 128
#define BK 64
#define PITCH 80  // bytes a line in shared memory: no bank conflicts at a stride of 20 words

// Every GPU since sm_61: four products an instruction. A thread computes 8 x 8 cells. 20 KiB of shared memory.
extern "C" __global__ void __launch_bounds__(256) gemm_dp4a(const int4 *a, const int4 *b, u32 n, int *c) {
    __shared__ __align__(16) char sa[BM * PITCH];
    __shared__ __align__(16) char sb[BN * PITCH];
    u64 row0 = (u64)blockIdx.y * BM, col0 = (u64)blockIdx.x * BN;
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    int sum[8][8];
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) sum[i][j] = 0;
    for (u32 k = 0; k < n; k += BK) {
        for (int i = threadIdx.x; i < BM * BK / 16; i += 256) {
            int line = i / 4, part = i % 4;
            *(int4 *)(sa + line * PITCH + part * 16) = a[((row0 + line) * n + k) / 16 + part];
            *(int4 *)(sb + line * PITCH + part * 16) = b[((col0 + line) * n + k) / 16 + part];
        }
        __syncthreads();
#pragma unroll 4
        for (int w = 0; w < BK; w += 4) {
            int x[8], y[8];
#pragma unroll
            for (int i = 0; i < 8; i++) {
                x[i] = *(const int *)(sa + (ty + 16 * i) * PITCH + w);
                y[i] = *(const int *)(sb + (tx + 16 * i) * PITCH + w);
            }
#pragma unroll
            for (int i = 0; i < 8; i++)
#pragma unroll
                for (int j = 0; j < 8; j++) sum[i][j] = __dp4a(x[i], y[j], sum[i][j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) c[(row0 + ty + 16 * i) * n + col0 + tx + 16 * j] = sum[i][j];
}

// Tensor cores (sm_80 and later): mma m16n8k32, two stages of shared memory filled by cp.async.
// 8 warps, 2 x 4, each 64 x 32 cells. 40 KiB of shared memory, below the 48 KiB that a launch has without asking for more.
extern "C" __global__ void __launch_bounds__(256) gemm_mma(const int4 *a, const int4 *b, u32 n, int *c) {
#if __CUDA_ARCH__ >= 800
    __shared__ __align__(16) char sa[2][BM * PITCH];
    __shared__ __align__(16) char sb[2][BN * PITCH];
    u64 row0 = (u64)blockIdx.y * BM, col0 = (u64)blockIdx.x * BN;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int g = lane / 4, t = lane % 4;
    int wm = warp / 4 * 64, wn = warp % 4 * 32;
    int sum[4][4][4];
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int r = 0; r < 4; r++) sum[i][j][r] = 0;

    auto stage = [&](int s, u32 k) {
#pragma unroll
        for (int i = 0; i < BM * BK / 16 / 256; i++) {
            int at = threadIdx.x + i * 256, line = at / 4, part = at % 4;
            copy_async(sa[s] + line * PITCH + part * 16, a + ((row0 + line) * n + k) / 16 + part);
            copy_async(sb[s] + line * PITCH + part * 16, b + ((col0 + line) * n + k) / 16 + part);
        }
        commit_copies();
    };

    stage(0, 0);
    for (u32 k = 0, s = 0; k < n; k += BK, s ^= 1) {
        if (k + BK < n) {
            stage(s ^ 1, k + BK);
            wait_for_copies<1>();
        } else {
            wait_for_copies<0>();
        }
        __syncthreads();
#pragma unroll
        for (int w = 0; w < BK; w += 32) {
            int x[4][4], y[4][2];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const char *p = sa[s] + (wm + 16 * i + g) * PITCH + w + 4 * t;
                x[i][0] = *(const int *)p;
                x[i][1] = *(const int *)(p + 8 * PITCH);
                x[i][2] = *(const int *)(p + 16);
                x[i][3] = *(const int *)(p + 8 * PITCH + 16);
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const char *p = sb[s] + (wn + 8 * j + g) * PITCH + w + 4 * t;
                y[j][0] = *(const int *)p;
                y[j][1] = *(const int *)(p + 16);
            }
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) multiply_add(sum[i][j], x[i], y[j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
            u64 row = row0 + wm + 16 * i + g, col = col0 + wn + 8 * j + 2 * t;
            *(int2 *)(c + row * n + col) = make_int2(sum[i][j][0], sum[i][j][1]);
            *(int2 *)(c + (row + 8) * n + col) = make_int2(sum[i][j][2], sum[i][j][3]);
        }
#endif
}
