// Who waits for whom: a rank that waits longer than the limit names the ranks it waits for and ends the job, and so does one that sees
// another process of its machine die. How it knows who is missing: a rank that waits longer than usual in a collective tells the other
// members so, once, on a communicator of its own; whoever has not told is not there, and two that wait in the same place in different
// operations end the job at once. Used by the communication thread alone.
#pragma once
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "engine.h"

namespace fathom {

using Clock = std::chrono::steady_clock;

constexpr int kWatchdogExitCode = 124, kMismatchExitCode = 1, kDeadExitCode = 137;

const char* name_of(Kind kind);

struct Group {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0, size = 1;
  uint64_t id = 1;        // the same on all members
  uint64_t sequence = 0;  // collectives begun
  uint64_t splits = 0;
  std::vector<int> world_ranks;
};

// What this rank waits for.
struct Wait {
  Kind kind = Kind::barrier;
  const Group* group = nullptr;  // collectives
  int peer = -1;                 // world rank of the other end of a message
  Clock::time_point started = Clock::now();
  bool announced = false;
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started).count(); }
};

class Watch {
 public:
  // Called by all ranks together; a limit of 0 seconds is none.
  void start(MPI_Comm world, double timeout_seconds);
  // From here on ranks may end without being missed.
  void expect_leaving() { is_leaving_ = true; }
  void stop();
  // To be called often, whatever this rank does.
  void look_around();
  // To be called often while `wait` goes on; does not return once it has taken too long.
  void watch(Wait& wait);
  std::string who(int world_rank) const;
  // Ends the job unless an MPI function succeeded.
  void check(int code, const char* what) const;
  [[noreturn]] void fail(const std::string& text, int code) const;
  [[noreturn]] void end_job(int code) const;

 private:
  // "I wait here."
  struct Notice {
    uint64_t group, sequence;
    int32_t kind, world_rank;
  };
  struct Process {
    char host[64];
    int64_t pid;
  };

  MPI_Comm comm_ = MPI_COMM_NULL;
  bool is_started_ = false, is_leaving_ = false, is_dead_known_ = false;
  int rank_ = 0;
  double timeout_ = 0;
  std::vector<Process> processes_;
  std::vector<Notice> notices_;  // the latest of each world rank
  std::vector<int> neighbours_;  // world ranks whose processes this one can see
  std::list<std::pair<Notice, MPI_Request>> posted_;
  Clock::time_point next_look_{}, death_{};

  void look_for_dead();
  void announce(const Group& group, Kind kind);
  std::string elsewhere(const Wait& wait) const;
  std::string verdict(const Wait& wait) const;
};

}  // namespace fathom
