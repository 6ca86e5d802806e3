// The communication thread: it alone calls MPI (so FUNNELED is enough), everyone else hands it jobs and is told when they are done.
// Collectives run one after the other in the order they were handed in; sends and receives move on beside them, so a rank may wait in a
// collective while its messages travel. Every wait polls (MPI makes no progress on its own), backs off, and is watched: a rank that waits
// longer than the limit names the ranks it waits for and ends the job. spec: infrastructure 10.1, 10.2.
//
// Sums are made in rank order, one rank's part at a time, so results depend neither on the MPI library's algorithms nor on timing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fathom {

enum class Kind { init, split, release, finalize, barrier, broadcast, all_reduce, reduce_scatter, all_gather, all_to_all, send, receive };
enum class Reduction { sum, max };
enum class Element { f32, f64, i32 };

// Messages longer than this travel in parts: MPI counts are 32-bit.
constexpr size_t kLargestPart = size_t(1) << 30;

struct Job {
  Kind kind = Kind::barrier;
  int group = 0;  // index of the communicator; 0 is the world
  char* output = nullptr;
  const char* input = nullptr;
  size_t output_bytes = 0, input_bytes = 0;
  std::vector<size_t> receive_bytes, send_bytes;  // all_to_all: by rank
  int peer = 0, tag = 0;                          // send, receive; broadcast: peer is the root
  Reduction reduction = Reduction::sum;
  Element element = Element::f32;
  int color = 0, key = 0;            // split
  double timeout_seconds = 0;        // init: 0 waits for ever
  size_t part_bytes = kLargestPart;  // init

  // Results.
  int result_group = 0, rank = 0, size = 1;  // init, split
  std::string text;                          // init: the MPI library's version
  std::string error;                         // not empty: the job failed
  bool is_range_error = false;

  void* owner = nullptr;  // whatever the caller needs when the job is done
};

// Starts the thread. `done` is called on it for every job handed in, once.
void engine_start(void (*done)(Job*));
void engine_submit(Job* job);
// Ends every process of the job with this exit code; does not return. May be called at any time from any other thread.
[[noreturn]] void engine_abort(int code);

}  // namespace fathom
