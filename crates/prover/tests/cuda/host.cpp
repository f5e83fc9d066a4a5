// The kernels, run by a host. Hashing and the walk take one thread after another; the products take the threads of a block in turns,
// as fibers of one host thread that change hands only where a GPU's threads meet: in __syncthreads and in the warp's multiply_add.
//
// Shared memory, asynchronous copies and the fragments of m16n8k32 are written from the PTX ISA, not from the kernels. What a GPU may
// do at any time is done here at one of two extremes: warps run in order or in reverse, each as far as it comes, and copies arrive at
// once or not before they are waited for. A missing barrier or wait shows in one of them.

#include <ucontext.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define IO_HOST
#define __CUDA_ARCH__ 800
#define __constant__ static const
#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __align__(bytes) __attribute__((aligned(bytes)))
// In a section of its own, whose bounds the linker knows.
#define __shared__ __attribute__((section("gpu_shared"))) static

struct Dim { unsigned x, y, z; };
Dim blockIdx, blockDim, threadIdx;
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) int2 { int x, y; };
static int2 make_int2(int x, int y) { return {x, y}; }
static unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned __int128)a * b >> 64; }

static void fail(const char *why) {
    std::fprintf(stderr, "%s\n", why);
    std::exit(1);
}

static int byte_of(int word, int i) { return (signed char)((unsigned)word >> (8 * i)); }
static int __dp4a(int a, int b, int sum) {
    for (int i = 0; i < 4; i++) sum += byte_of(a, i) * byte_of(b, i);
    return sum;
}

static const unsigned THREADS = 256, WARP = 32, STACK = 64 * 1024;
struct Copy { void *to; const void *from; };
struct Fiber {
    ucontext_t context;
    bool waits, over;
    std::vector<Copy> copies;               // of no group yet
    std::vector<std::vector<Copy>> groups;  // oldest first, not arrived
    int *d;
    const int *a, *b;
};
static Fiber fibers[THREADS];
static ucontext_t scheduler;
static unsigned running;
static bool reversed, eager;
static unsigned in_block, in_warp[THREADS / WARP];
static std::vector<char> stacks(THREADS *STACK);
static std::function<void()> kernel;

// Waits for `count` threads from `first`. The last to come does what they came for and goes on; others follow in their turn.
static void meet(unsigned first, unsigned count, unsigned &came, const std::function<void()> &what) {
    if (++came < count) {
        fibers[running].waits = true;
        swapcontext(&fibers[running].context, &scheduler);
        return;
    }
    came = 0;
    what();
    for (unsigned i = first; i < first + count; i++) fibers[i].waits = false;
}
static void __syncthreads() {
    meet(0, THREADS, in_block, [] {});
}

static void arrive(const std::vector<Copy> &copies) {
    for (const Copy &copy : copies) std::memcpy(copy.to, copy.from, 16);
}
static void copy_async(void *shared, const int4 *from) {
    if ((uintptr_t)shared % 16 || (uintptr_t)from % 16) fail("a copy of 16 bytes isn't aligned");
    fibers[running].copies.push_back({shared, from});
    if (eager) arrive({{shared, from}});
}
static void commit_copies() {
    Fiber &me = fibers[running];
    me.groups.push_back(me.copies);
    me.copies.clear();
}
template <int NEWEST> static void wait_for_copies() {
    auto &groups = fibers[running].groups;
    while (groups.size() > NEWEST) {
        if (!eager) arrive(groups.front());
        groups.erase(groups.begin());
    }
}

// mma.m16n8k32 with .s8: which element of a matrix lies where in which lane's registers.
static void multiply_add_warp(Fiber *lanes) {
    int a[16][32], b[32][8], d[16][8];
    for (unsigned lane = 0; lane < WARP; lane++) {
        unsigned group = lane >> 2, thread = lane % 4;
        for (unsigned i = 0; i < 16; i++) {
            unsigned row = i < 4 || (8 <= i && i < 12) ? group : group + 8;
            unsigned col = i < 8 ? thread * 4 + (i & 3) : thread * 4 + (i & 3) + 16;
            a[row][col] = byte_of(lanes[lane].a[i / 4], i % 4);
        }
        for (unsigned i = 0; i < 8; i++) {
            unsigned row = i < 4 ? thread * 4 + (i & 3) : thread * 4 + (i & 3) + 16;
            b[row][group] = byte_of(lanes[lane].b[i / 4], i % 4);
        }
        for (unsigned i = 0; i < 4; i++) d[i < 2 ? group : group + 8][thread * 2 + (i & 1)] = lanes[lane].d[i];
    }
    for (int row = 0; row < 16; row++)
        for (int k = 0; k < 32; k++)
            for (int col = 0; col < 8; col++) d[row][col] += a[row][k] * b[k][col];
    for (unsigned lane = 0; lane < WARP; lane++)
        for (unsigned i = 0; i < 4; i++)
            lanes[lane].d[i] = d[i < 2 ? lane / 4 : lane / 4 + 8][lane % 4 * 2 + (i & 1)];
}
static void multiply_add(int d[4], const int a[4], const int b[2]) {
    Fiber &me = fibers[running];
    me.d = d, me.a = a, me.b = b;
    unsigned warp = running / WARP;
    meet(warp * WARP, WARP, in_warp[warp], [=] { multiply_add_warp(fibers + warp * WARP); });
}

#include "kernels.cu"

extern char __start_gpu_shared[], __stop_gpu_shared[];

static void enter() {
    kernel();
    fibers[running].over = true;
}

static void run_block(unsigned x, unsigned y) {
    std::memset(__start_gpu_shared, 0x55, __stop_gpu_shared - __start_gpu_shared);
    for (unsigned i = 0; i < THREADS; i++) {
        Fiber &fiber = fibers[i];
        fiber.waits = fiber.over = false;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = stacks.data() + i * STACK;
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = &scheduler;
        makecontext(&fiber.context, enter, 0);
    }
    blockIdx = {x, y, 0};
    blockDim = {THREADS, 1, 1};
    for (unsigned over = 0; over < THREADS;) {
        bool any = false;
        for (unsigned warp = 0; warp < THREADS / WARP; warp++) {
            // As far ahead of the other warps as it comes.
            for (bool moved = true; moved;) {
                moved = false;
                for (unsigned lane = 0; lane < WARP; lane++) {
                    unsigned at = warp * WARP + lane;
                    running = reversed ? THREADS - 1 - at : at;
                    Fiber &fiber = fibers[running];
                    if (fiber.waits || fiber.over) continue;
                    any = moved = true;
                    threadIdx = {running, 0, 0};
                    swapcontext(&scheduler, &fiber.context);
                    if (!fiber.over) continue;
                    over++;
                    if (!fiber.copies.empty() || !fiber.groups.empty()) fail("a thread ended before its copies");
                }
            }
        }
        if (!any) fail("threads wait for others that are over");
    }
}

static std::vector<char> contents(const char *path) {
    std::FILE *file = std::fopen(path, "rb");
    if (!file) fail(path);
    std::fseek(file, 0, SEEK_END);
    // Room for a start at a multiple of 16.
    std::vector<char> bytes(std::ftell(file) + 16);
    std::rewind(file);
    char *at = (char *)(((uintptr_t)bytes.data() + 15) / 16 * 16);
    if (std::fread(at, 1, bytes.size() - 16, file) != bytes.size() - 16) fail(path);
    std::fclose(file);
    return bytes;
}

// Where the whole matrix would begin, of which only the lines from `first` are here.
template <class T> static T *whole(std::vector<char> &lines, uint64_t first, uint64_t line) {
    return (T *)(((uintptr_t)lines.data() + 15) / 16 * 16 - first * line);
}

// product KERNEL forward|reversed late|eager N ROW ROWS COLUMN COLUMNS A B C: the tiles of C from (ROW, COLUMN). A and B are files of those
// lines alone, C becomes one of those rows, with bytes 0x55 where nothing was written.
static void product(char **of) {
    bool tensor = !std::strcmp(of[0], "gemm_mma");
    reversed = !std::strcmp(of[1], "reversed");
    eager = !std::strcmp(of[2], "eager");
    uint64_t numbers[5];
    for (int i = 0; i < 5; i++) numbers[i] = std::strtoull(of[3 + i], nullptr, 10);
    auto [n, row, rows, column, columns] = numbers;
    std::vector<char> a = contents(of[8]), b = contents(of[9]), c(rows * n * 4 + 16, 0x55);
    auto *from_a = whole<const int4>(a, row, n), *from_b = whole<const int4>(b, column, n);
    int *to = whole<int>(c, row, n * 4);
    kernel = [=, n = (u32)n] { (tensor ? gemm_mma : gemm_dp4a)(from_a, from_b, n, to); };
    for (unsigned y = row / BM; y < (row + rows) / BM; y++)
        for (unsigned x = column / BN; x < (column + columns) / BN; x++) run_block(x, y);
    std::FILE *file = std::fopen(of[10], "wb");
    if (!file || std::fwrite(whole<char>(c, 0, 0), 4, rows * n, file) != rows * n || std::fclose(file)) fail(of[10]);
}

static void print(const void *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) std::printf("%02x", ((const unsigned char *)p)[i]);
    std::printf("\n");
}

// hashes FIRST KEY GRAPH: a line for each of the kernels that need no second thread.
static void hashes(char **of) {
#define EACH(count, call) blockDim = {1, 1, 1}; for (unsigned i_ = 0; i_ < (count); i_++) { blockIdx = {i_, 0, 0}; call; }
    threadIdx = {0, 0, 0};
    Seed seed;
    for (int i = 0; i < 8; i++) seed.w[i] = 0x5a5a5a5a;
    std::vector<u32> a(16 * 8), l(4 * 8), n(2 * 8), m(3 * 1024);
    EACH(16, expand(seed, 7, 16, a.data()));
    print(a.data(), 512);
    EACH(4, leaves(a.data(), 4, l.data()));
    print(l.data(), 128);
    EACH(2, nodes(l.data(), 2, n.data()));
    print(n.data(), 64);
    EACH(3, fill(seed, 0, 3, m.data()));
    print(m.data(), 3 * 4096);
    u64 way[3];
    for (int i = 0; i < 3; i++) way[i] = std::strtoull(of[i], nullptr, 10);
    std::vector<u64> states(41);
    EACH(1, walk((const u64 *)m.data(), 3 * 512, way[0], way[1], way[2], 40, states.data()));
    print(states.data(), 328);
}

int main(int count, char **of) {
    if (count == 5 && !std::strcmp(of[1], "hashes")) hashes(of + 2);
    else if (count == 13 && !std::strcmp(of[1], "product")) product(of + 2);
    else fail("hashes or product, with what they need");
}
