// See parallel.h. A job is dealt out in contiguous ranges of chunks, one a thread, so that each thread walks through neighbouring memory; a
// thread that is done takes chunks from the ranges of others. Every thread's range and end mark lie in cache lines of its own, and only as
// many threads take part as there are chunks, so the cost of a small job does not grow with the pool. Workers spin for a short while after
// finishing (the next op of a step follows within microseconds) and then sleep on a condition variable.
#include "parallel.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#define FATHOM_PAUSE() _mm_pause()
#else
#define FATHOM_PAUSE() std::this_thread::yield()
#endif

namespace fathom {
namespace {

// What the pool knows of one thread; slot 0 is the caller's.
struct alignas(128) Slot {
  std::atomic<int64_t> next{0};  // first chunk of its range that nobody has taken
  int64_t end = 0;
  alignas(128) std::atomic<uint64_t> done{0};  // the last job it has left
};

struct Job {
  void (*run)(void*, int64_t) = nullptr;
  void* context = nullptr;
  int members = 0;
};

constexpr uint64_t kMemberBits = 16;  // of a ticket: how many threads take part; above them, the number of the job

// What is to be fetched. Workers read it while the caller may write it: a mixture of two is memory that is fetched in vain.
struct alignas(128) Expected {
  struct Part {
    std::atomic<int64_t> count{0}, bytes{0};
    std::atomic<uintptr_t> runs[Ahead::kMost] = {};
  };
  std::atomic<uint64_t> version{0};
  Part parts[2];
};

struct Pool {
  std::vector<std::thread> workers;
  std::unique_ptr<Slot[]> slots{new Slot[1]};
  Job job;
  alignas(128) std::atomic<uint64_t> ticket{0};
  alignas(128) std::atomic<int> sleeping{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable wake;
  Expected expected;
  std::mutex caller;  // whose job the pool has: a process may serve several models, each from a thread of its own
};

Pool& pool() {
  static Pool* instance = new Pool();  // never destroyed: threads may still run when the process exits
  return *instance;
}

thread_local bool inside = false;
constexpr int kSpins = 4000;

void work(Pool& p, int self) {
  inside = true;
  int members = p.job.members;
  for (int i = 0; i < members; i++) {
    Slot& slot = p.slots[self + i < members ? self + i : self + i - members];
    // Others' ranges are looked at before they are taken from: a look does not move the cache line.
    while (slot.next.load(std::memory_order_relaxed) < slot.end) {
      int64_t chunk = slot.next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= slot.end) break;
      p.job.run(p.job.context, chunk);
    }
  }
  inside = false;
}

constexpr int64_t kAheadBytes = 1 << 18;  // of a share: what a second-level cache holds beside the rest
constexpr int64_t kAheadStep = 1 << 10;   // between two looks for a job

// How far a worker is with what is to be fetched: its own share of both parts, then what falls to it of the caller's.
class Fetcher {
 public:
  Fetcher(const Expected& expected, int self, int members) : expected(expected), self(self), members(members) {}

  // A step; false if nothing is left.
  bool step() {
    uint64_t version = expected.version.load(std::memory_order_acquire);
    if (version != seen) seen = version, phase = -1, at = end = 0;
    while (at >= end)
      if (phase >= kPhases - 1) return false;
      else start(++phase);
    const Expected::Part& part = expected.parts[phase % 2];
    int64_t bytes = part.bytes.load(std::memory_order_relaxed), within = bytes > 0 ? at % bytes : 0;
    int64_t length = bytes - within < kAheadStep ? bytes - within : kAheadStep;
    if (length <= 0) return stop(), false;
    uintptr_t from = part.runs[at / bytes % Ahead::kMost].load(std::memory_order_relaxed) + uintptr_t(within);
    for (int64_t line = 0; line < length; line += 64) __builtin_prefetch(reinterpret_cast<const void*>(from + uintptr_t(line)), 0, 2);
    at += length;
    return true;
  }

  // What was to be fetched so far is there, or is being read.
  void stop() { seen = expected.version.load(std::memory_order_relaxed), phase = kPhases, at = end = 0; }

 private:
  static constexpr int kPhases = 4;
  const Expected& expected;
  int self, members, phase = kPhases;
  uint64_t seen = 0;
  int64_t at = 0, end = 0;

  void start(int next) {
    const Expected::Part& part = expected.parts[next % 2];
    int64_t total = part.count.load(std::memory_order_relaxed) * part.bytes.load(std::memory_order_relaxed), share = total / members;
    if (next < 2) at = share * self, end = at + share;
    else at = share * (self - 1) / (members - 1), end = share * self / (members - 1);
    if (end > at + kAheadBytes) end = at + kAheadBytes;
  }
};

void worker_loop(int self, int members, uint64_t seen) {
  Pool& p = pool();
  Fetcher fetcher(p.expected, self, members);
  for (;;) {
    for (int spin = 0; p.ticket.load(std::memory_order_acquire) == seen && spin < kSpins; spin++)
      if (!fetcher.step()) FATHOM_PAUSE();
    fetcher.stop();
    if (p.ticket.load(std::memory_order_acquire) == seen) {
      std::unique_lock<std::mutex> lock(p.mutex);
      p.sleeping.fetch_add(1);
      p.wake.wait(lock, [&] { return p.ticket.load(std::memory_order_seq_cst) != seen; });
      p.sleeping.fetch_sub(1);
    }
    seen = p.ticket.load(std::memory_order_acquire);
    if (p.stop.load()) return;
    // A thread that does not take part must not look at the job: nobody waits for it, so the next one may be in the making.
    if (uint64_t(self) >= (seen & ((1 << kMemberBits) - 1))) continue;
    work(p, self);
    p.slots[self].done.store(seen, std::memory_order_release);
  }
}

void announce(Pool& p, uint64_t ticket) {
  p.ticket.store(ticket, std::memory_order_seq_cst);
  if (p.sleeping.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(p.mutex);
    p.wake.notify_all();
  }
}

uint64_t next_ticket(const Pool& p, int members) {
  return ((p.ticket.load(std::memory_order_relaxed) >> kMemberBits) + 1) << kMemberBits | uint64_t(members);
}

}  // namespace

int threads() { return int(pool().workers.size()) + 1; }

void set_threads(int count) {
  Pool& p = pool();
  if (count < 1) count = 1;
  std::lock_guard<std::mutex> turn(p.caller);
  if (count == threads()) return;
  p.stop.store(true);
  {
    std::lock_guard<std::mutex> lock(p.mutex);
    p.ticket.store(next_ticket(p, 0));
    p.wake.notify_all();
  }
  for (auto& worker : p.workers) worker.join();
  p.workers.clear();
  p.stop.store(false);
  p.slots.reset(new Slot[size_t(count)]);
  uint64_t seen = p.ticket.load();
  for (int i = 1; i < count; i++) p.workers.emplace_back(worker_loop, i, count, seen);
}

void parallel_run(int64_t chunks, void (*run)(void*, int64_t), void* context) {
  Pool& p = pool();
  if (chunks <= 0) return;
  if (inside || chunks == 1 || p.workers.empty()) {
    bool outer = inside;
    inside = true;
    for (int64_t chunk = 0; chunk < chunks; chunk++) run(context, chunk);
    inside = outer;
    return;
  }
  std::lock_guard<std::mutex> turn(p.caller);
  int members = chunks < threads() ? int(chunks) : threads();
  p.job = Job{run, context, members};
  for (int64_t i = 0; i < members; i++) {
    p.slots[i].next.store(chunks * i / members, std::memory_order_relaxed);
    p.slots[i].end = chunks * (i + 1) / members;
  }
  uint64_t ticket = next_ticket(p, members);
  announce(p, ticket);
  work(p, 0);
  for (int i = 1; i < members; i++)
    for (int spin = 0; p.slots[i].done.load(std::memory_order_acquire) != ticket; spin++) {
      if (spin < kSpins) FATHOM_PAUSE();
      else std::this_thread::yield();  // more threads than cores: let the late one run
    }
}

void fetch_ahead(const Ahead& first, const Ahead& second) {
  Expected& expected = pool().expected;
  const Ahead* from[] = {&first, &second};
  for (int i = 0; i < 2; i++) {
    Expected::Part& part = expected.parts[i];
    for (int64_t run = 0; run < from[i]->count; run++) part.runs[run].store(reinterpret_cast<uintptr_t>(from[i]->runs[run]), std::memory_order_relaxed);
    part.count.store(from[i]->count, std::memory_order_relaxed);
    part.bytes.store(from[i]->bytes, std::memory_order_relaxed);
  }
  expected.version.fetch_add(1, std::memory_order_release);
}

void* scratch(int slot, size_t bytes) {
  struct Buffer {
    void* data = nullptr;
    size_t size = 0;
    ~Buffer() { free(data); }
  };
  thread_local Buffer buffers[16];
  Buffer& b = buffers[slot];
  if (b.size < bytes) {
    free(b.data);
    b.size = (bytes + 4095) / 4096 * 4096;
    b.data = aligned_alloc(64, b.size);
    if (!b.data) abort();
  }
  return b.data;
}

}  // namespace fathom
