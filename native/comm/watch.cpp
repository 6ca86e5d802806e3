// See watch.h.
#include "watch.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace fathom {

const char* name_of(Kind kind) {
  static const char* const names[] = {"init",      "split",         "close",     "close",     "barrier", "broadcast",
                                      "allReduce", "reduceScatter", "allGather", "allToAllV", "send",    "receive"};
  return names[int(kind)];
}

void Watch::start(MPI_Comm world, double timeout_seconds) {
  timeout_ = timeout_seconds;
  int size = 1;
  MPI_Comm_rank(world, &rank_);
  MPI_Comm_size(world, &size);
  MPI_Comm_dup(world, &comm_);
  MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  processes_.resize(size_t(size));
  notices_.resize(size_t(size));
  Process me{};
  gethostname(me.host, sizeof me.host - 1);
  me.pid = getpid();
  MPI_Allgather(&me, sizeof me, MPI_BYTE, processes_.data(), sizeof me, MPI_BYTE, world);
  for (int r = 0; r < size; r++) {
    const Process& p = processes_[size_t(r)];
    if (r != rank_ && strcmp(p.host, me.host) == 0 && kill(pid_t(p.pid), 0) == 0) neighbours_.push_back(r);
  }
  is_started_ = true;
}

void Watch::stop() {
  look_around();
  for (auto& entry : posted_) MPI_Request_free(&entry.second);
  posted_.clear();
  MPI_Comm_free(&comm_);
  is_started_ = false;
}

std::string Watch::who(int world_rank) const {
  const Process& p = processes_[size_t(world_rank)];
  return "rank " + std::to_string(world_rank) + " (" + p.host + ", pid " + std::to_string(p.pid) + ")";
}

void Watch::look_around() {
  for (;;) {
    int flag = 0;
    if (MPI_Iprobe(MPI_ANY_SOURCE, 0, comm_, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS || !flag) break;
    Notice notice;
    check(MPI_Recv(&notice, sizeof notice, MPI_BYTE, MPI_ANY_SOURCE, 0, comm_, MPI_STATUS_IGNORE), "a notice");
    notices_[size_t(notice.world_rank)] = notice;
  }
  look_for_dead();
}

// mpirun ends a job whose process dies, but names the rank only if it started the process itself (not through npx or a shell). Those of
// this machine are looked after here, a hundred times a second; mpirun has a moment to end the job with the dead rank's own code.
void Watch::look_for_dead() {
  Clock::time_point now = Clock::now();
  if (is_leaving_ || now < next_look_) return;
  next_look_ = now + std::chrono::milliseconds(10);
  if (is_dead_known_) {
    if (now - death_ > std::chrono::seconds(2)) end_job(kDeadExitCode);
    return;
  }
  for (int r : neighbours_) {
    if (kill(pid_t(processes_[size_t(r)].pid), 0) == 0 || errno != ESRCH) continue;
    fprintf(stderr, "fathom: %s has died, as %s sees; the job ends\n", who(r).c_str(), who(rank_).c_str());
    fflush(stderr);
    is_dead_known_ = true;
    death_ = now;
  }
}

void Watch::announce(const Group& group, Kind kind) {
  for (auto it = posted_.begin(); it != posted_.end();) {
    int flag = 0;
    MPI_Test(&it->second, &flag, MPI_STATUS_IGNORE);
    it = flag ? posted_.erase(it) : std::next(it);
  }
  for (int r : group.world_ranks) {
    if (r == rank_) continue;
    posted_.emplace_back(Notice{group.id, group.sequence, int32_t(kind), rank_}, MPI_REQUEST_NULL);
    auto& [notice, request] = posted_.back();
    check(MPI_Isend(&notice, sizeof notice, MPI_BYTE, r, 0, comm_, &request), "a notice");
  }
}

void Watch::watch(Wait& wait) {
  if (timeout_ <= 0) return;
  double seconds = wait.seconds();
  if (wait.group && !wait.announced && seconds > std::min(0.25, timeout_ / 8)) {
    wait.announced = true;
    announce(*wait.group, wait.kind);
  }
  if (wait.announced && !elsewhere(wait).empty()) {
    fail(who(rank_) + " waits in " + name_of(wait.kind) + " while " + elsewhere(wait) + ": all ranks must call the same operations", kMismatchExitCode);
  }
  if (seconds > timeout_) fail(verdict(wait), kWatchdogExitCode);
}

// Members that wait in the same place in another operation: that can never end.
std::string Watch::elsewhere(const Wait& wait) const {
  std::string list;
  for (int r : wait.group->world_ranks) {
    const Notice& n = notices_[size_t(r)];
    if (r == rank_ || n.group != wait.group->id || n.sequence != wait.group->sequence || n.kind == int32_t(wait.kind)) continue;
    list += (list.empty() ? "" : ", ") + who(r) + " waits in " + name_of(Kind(n.kind));
  }
  return list;
}

std::string Watch::verdict(const Wait& wait) const {
  char limit[32];
  snprintf(limit, sizeof limit, "%.6g", timeout_);
  std::string text = who(rank_) + " waits in " + name_of(wait.kind) + " for " + limit + " s; ";
  if (!wait.group) return text + (wait.kind == Kind::send ? "not received by " : "nothing sent by ") + who(wait.peer);
  std::string missing;
  for (int r : wait.group->world_ranks) {
    const Notice& n = notices_[size_t(r)];
    bool is_here = n.group == wait.group->id && n.sequence == wait.group->sequence;
    if (r != rank_ && !is_here) missing += (missing.empty() ? "" : ", ") + who(r);
  }
  return text + (missing.empty() ? "all ranks arrived: the network or the MPI library is stuck" : "not arrived: " + missing);
}

void Watch::check(int code, const char* what) const {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail((is_started_ ? who(rank_) + ": " : std::string()) + what + ": " + text, kMismatchExitCode);
}

void Watch::fail(const std::string& text, int code) const {
  fprintf(stderr, "fathom: %s; the job ends\n", text.c_str());
  end_job(code);
}

void Watch::end_job(int code) const {
  fflush(stderr);
  if (is_started_) MPI_Abort(MPI_COMM_WORLD, code);
  _exit(code);
}

}  // namespace fathom
