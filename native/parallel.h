// The one thread pool of the process. Work is handed out as numbered chunks; a chunk is computed by one thread from start to
// end, so results do not depend on how many threads there are or which of them took it. The caller works too.
// Only one thread of the process at a time submits work (the one that owns the model).
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace fathom {

// Threads that take part, the caller included; at least 1. Starts or joins workers.
void set_threads(int count);
int threads();

// Calls run(context, chunk) once for every chunk in [0, chunks), in any order, and returns when all are done.
// A call from inside a chunk runs in place on that thread.
void parallel_run(int64_t chunks, void (*run)(void* context, int64_t chunk), void* context);

// Memory that the next job will read, as so many runs of so many bytes.
struct Ahead {
  static constexpr int kMost = 64;
  const void* runs[kMost];
  int64_t count, bytes;
};
// Workers that wait for the job fetch the beginning of their share of both into their caches meanwhile, and then of the caller's, who is busy
// elsewhere. Nothing is computed, so nothing can go wrong but time: the job may never come, the memory may be gone.
void fetch_ahead(const Ahead& first, const Ahead& second);

template <typename F>
inline void parallel_for(int64_t chunks, F&& body) {
  using Body = typename std::remove_reference<F>::type;
  parallel_run(
      chunks, [](void* context, int64_t chunk) { (*static_cast<Body*>(context))(chunk); }, const_cast<void*>(static_cast<const void*>(&body)));
}

// Splits [0, total) into pieces of `grain` (the last may be shorter): body(begin, end).
template <typename F>
inline void parallel_ranges(int64_t total, int64_t grain, F&& body) {
  int64_t chunks = (total + grain - 1) / grain;
  parallel_for(chunks, [&](int64_t chunk) {
    int64_t begin = chunk * grain, end = begin + grain < total ? begin + grain : total;
    body(begin, end);
  });
}

// Memory of the calling thread, 64-byte aligned, kept and reused; `slot` keeps buffers that live at the same time apart.
// It grows to the largest size asked for. 16 slots; contents are undefined after each call.
void* scratch(int slot, size_t bytes);
template <typename T>
inline T* scratch_of(int slot, int64_t count) {
  return static_cast<T*>(scratch(slot, size_t(count) * sizeof(T)));
}

}  // namespace fathom
