// See parallel.h. Workers spin for a short while after finishing (the next op of a step follows within microseconds) and
// then sleep on a condition variable.
#include "parallel.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
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

struct alignas(128) Job {
  std::atomic<int64_t> next{0};
  int64_t chunks = 0;
  void (*run)(void*, int64_t) = nullptr;
  void* context = nullptr;
};

struct Pool {
  std::vector<std::thread> workers;
  Job job;
  alignas(128) std::atomic<uint64_t> generation{0};
  alignas(128) std::atomic<int> busy{0};
  std::atomic<int> sleeping{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable wake;
};

Pool& pool() {
  static Pool* instance = new Pool();  // never destroyed: threads may still run when the process exits
  return *instance;
}

thread_local bool inside = false;
constexpr int kSpins = 4000;

void work(Job& job) {
  inside = true;
  for (int64_t chunk; (chunk = job.next.fetch_add(1, std::memory_order_relaxed)) < job.chunks;) job.run(job.context, chunk);
  inside = false;
}

void worker_loop(uint64_t seen) {
  Pool& p = pool();
  for (;;) {
    for (int spin = 0; p.generation.load(std::memory_order_acquire) == seen && spin < kSpins; spin++) FATHOM_PAUSE();
    if (p.generation.load(std::memory_order_acquire) == seen) {
      std::unique_lock<std::mutex> lock(p.mutex);
      p.sleeping.fetch_add(1);
      p.wake.wait(lock, [&] { return p.generation.load(std::memory_order_seq_cst) != seen; });
      p.sleeping.fetch_sub(1);
    }
    seen = p.generation.load(std::memory_order_acquire);
    if (p.stop.load()) return;
    work(p.job);
    p.busy.fetch_sub(1, std::memory_order_release);
  }
}

void announce(Pool& p) {
  p.generation.fetch_add(1, std::memory_order_seq_cst);
  if (p.sleeping.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(p.mutex);
    p.wake.notify_all();
  }
}

}  // namespace

int threads() { return int(pool().workers.size()) + 1; }

void set_threads(int count) {
  Pool& p = pool();
  if (count < 1) count = 1;
  if (count == threads()) return;
  p.stop.store(true);
  {
    std::lock_guard<std::mutex> lock(p.mutex);
    p.generation.fetch_add(1);
    p.wake.notify_all();
  }
  for (auto& worker : p.workers) worker.join();
  p.workers.clear();
  p.stop.store(false);
  uint64_t seen = p.generation.load();
  for (int i = 1; i < count; i++) p.workers.emplace_back(worker_loop, seen);
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
  p.job.chunks = chunks;
  p.job.run = run;
  p.job.context = context;
  p.job.next.store(0, std::memory_order_relaxed);
  p.busy.store(int(p.workers.size()), std::memory_order_relaxed);
  announce(p);
  work(p.job);
  for (int spin = 0; p.busy.load(std::memory_order_acquire) > 0; spin++) {
    if (spin < kSpins) FATHOM_PAUSE();
    else std::this_thread::yield();  // more threads than cores: let the late one run
  }
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
