// See engine.h.
#include "engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <unistd.h>

#include "reduce.h"
#include "watch.h"

namespace fathom {
namespace {

constexpr int kCollectiveTag = 0, kHeaderOffset = 1;  // a user's tag t travels as t + 1
constexpr size_t kSmallReduction = 4096;              // bytes up to which everyone gathers everything and adds by itself
constexpr size_t kReductionScratch = size_t(16) << 20;

struct Message {
  Job* job = nullptr;
  Wait wait;
  uint64_t length = 0;
  int stage = 0;  // receive: 0 not begun, 1 awaits the length, 2 awaits the data
  std::vector<char> sink;
  std::vector<MPI_Request> requests;
};

struct Part {
  const char* data;
  size_t bytes;
};

class Engine {
 public:
  void start(void (*done)(Job*)) {
    done_ = done;
    std::thread([this] { loop(); }).detach();
  }
  void submit(Job* job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      arrived_.push_back(job);
    }
    wake_.notify_one();
  }
  [[noreturn]] void abort(int code) {
    abort_code_ = code;
    abort_asked_ = true;
    wake_.notify_one();
    if (ready_)
      for (int i = 0; i < 300; i++) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    _exit(code);
  }

 private:
  void (*done_)(Job*) = nullptr;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job*> arrived_;
  std::atomic<bool> abort_asked_{false}, ready_{false};
  std::atomic<int> abort_code_{1};
  // Of the communication thread:
  std::deque<Job*> collectives_;
  std::list<Message> sends_, receives_;
  Watch watch_;
  std::deque<Group> groups_;  // addresses stay
  size_t part_ = kLargestPart;
  std::vector<char> scratch_;

  void loop() {
    for (int idle = 0;;) {
      if (!collectives_.empty()) {
        Job* job = collectives_.front();
        collectives_.pop_front();
        bool last = job->kind == Kind::finalize;
        run(*job);
        done_(job);
        if (last) return;
        idle = 0;
      } else if (progress()) {
        idle = 0;
      } else {
        rest(idle++, sends_.empty() && receives_.empty());
      }
    }
  }

  // Sleeps the longer the longer nothing has happened; a new job ends the sleep.
  void rest(int idle, bool nothing_underway) {
    if (!nothing_underway && idle < 1000) return std::this_thread::yield();
    auto limit = nothing_underway ? std::chrono::microseconds(20'000) : std::chrono::microseconds(std::min(1000, 20 + (idle - 1000)));
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait_for(lock, limit, [this] { return !arrived_.empty() || abort_asked_; });
  }

  // ---- what happens beside any wait ----
  bool progress() {
    if (abort_asked_) watch_.end_job(abort_code_);
    bool moved = false;
    std::vector<Job*> fresh;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      fresh.swap(arrived_);
    }
    for (Job* job : fresh) {
      moved = true;
      if (job->kind == Kind::send) begin_send(job);
      else if (job->kind == Kind::receive) receives_.push_back(message(job));
      else collectives_.push_back(job);
    }
    if (!ready_) return moved;
    moved = move_messages() || moved;
    watch_.look_around();
    return moved;
  }

  Message message(Job* job) {
    Message m;
    m.job = job;
    m.wait.kind = job->kind;
    m.wait.peer = groups_[size_t(job->group)].world_ranks[size_t(job->peer)];
    return m;
  }

  void begin_send(Job* job) {
    sends_.push_back(message(job));
    Message& m = sends_.back();
    MPI_Comm comm = groups_[size_t(job->group)].comm;
    m.length = job->input_bytes;
    m.requests.emplace_back();
    watch_.check(MPI_Isend(&m.length, 8, MPI_BYTE, job->peer, job->tag + kHeaderOffset, comm, &m.requests.back()), name_of(job->kind));
    post_send(m.requests, {job->input, job->input_bytes}, job->peer, job->tag + kHeaderOffset, comm);
  }

  bool move_messages() {
    bool moved = false;
    for (auto it = sends_.begin(); it != sends_.end();) {
      if (!finished(it->requests, nullptr)) {
        watch_.watch(it->wait);
        ++it;
        continue;
      }
      done_(it->job);
      it = sends_.erase(it);
      moved = true;
    }
    for (auto it = receives_.begin(); it != receives_.end();) {
      if (move_receive(it)) {
        done_(it->job);
        it = receives_.erase(it);
        moved = true;
      } else {
        watch_.watch(it->wait);
        ++it;
      }
    }
    return moved;
  }

  // True when the message has arrived. Receives of one sender and tag run one after the other.
  bool move_receive(std::list<Message>::iterator it) {
    Message& m = *it;
    Job& job = *m.job;
    MPI_Comm comm = groups_[size_t(job.group)].comm;
    int tag = job.tag + kHeaderOffset;
    if (m.stage == 0) {
      for (auto other = receives_.begin(); other != it; ++other)
        if (other->job->group == job.group && other->job->peer == job.peer && other->job->tag == job.tag) return false;
      m.requests.emplace_back();
      watch_.check(MPI_Irecv(&m.length, 8, MPI_BYTE, job.peer, tag, comm, &m.requests.back()), "receive");
      m.stage = 1;
    }
    if (m.stage == 1) {
      if (!finished(m.requests, nullptr)) return false;
      char* target = job.output;
      if (m.length != job.output_bytes) {  // taken off the wire all the same, so that the next message stays readable
        m.sink.resize(m.length);
        target = m.sink.data();
        job.is_range_error = true;
        job.error = "receive: the message of rank " + std::to_string(job.peer) + " (tag " + std::to_string(job.tag) + ") has " +
                    std::to_string(m.length) + " bytes where " + std::to_string(job.output_bytes) + " are expected";
      }
      m.requests.clear();
      post_receive(m.requests, target, m.length, job.peer, tag, comm);
      m.stage = 2;
    }
    return finished(m.requests, nullptr);
  }

  // ---- parts of long messages: each but the last is full, the last may be empty, so a wrong length always shows ----
  size_t parts(size_t bytes) const { return bytes / part_ + 1; }
  size_t part_size(size_t bytes, size_t index) const { return std::min(part_, bytes - index * part_); }

  void post_send(std::vector<MPI_Request>& requests, Part part, int to, int tag, MPI_Comm comm) {
    for (size_t i = 0; i < parts(part.bytes); i++) {
      requests.emplace_back();
      watch_.check(MPI_Isend(part.data + i * part_, int(part_size(part.bytes, i)), MPI_BYTE, to, tag, comm, &requests.back()), "send");
    }
  }
  void post_receive(std::vector<MPI_Request>& requests, char* data, size_t bytes, int from, int tag, MPI_Comm comm) {
    for (size_t i = 0; i < parts(bytes); i++) {
      requests.emplace_back();
      watch_.check(MPI_Irecv(data + i * part_, int(part_size(bytes, i)), MPI_BYTE, from, tag, comm, &requests.back()), "receive");
    }
  }

  bool finished(std::vector<MPI_Request>& requests, std::vector<MPI_Status>* statuses) {
    int flag = 0;
    int code = MPI_Testall(int(requests.size()), requests.data(), &flag, statuses ? statuses->data() : MPI_STATUSES_IGNORE);
    if (code == MPI_ERR_IN_STATUS && statuses) return true;  // the caller reads which
    watch_.check(code, "a message");
    return flag != 0;
  }

  void await(std::vector<MPI_Request>& requests, std::vector<MPI_Status>* statuses, Wait& wait) {
    for (int idle = 0; !finished(requests, statuses);) {
      if (progress()) idle = 0;
      else rest(idle++, false);
      watch_.watch(wait);
    }
  }

  // ---- collectives ----
  // Every member sends `send[r]` to r and receives `receive[r]` from r; own parts are copied. A length that differs ends the job, since
  // the members no longer agree on what they are doing.
  void exchange(const Group& g, Wait& wait, const std::vector<Part>& send, const std::vector<Part>& receive) {
    struct Expected {
      int from;
      size_t bytes;
    };
    std::vector<MPI_Request> requests;
    std::vector<Expected> expected;
    for (int step = 1; step < g.size; step++) {
      int from = (g.rank + step) % g.size;
      const Part& part = receive[size_t(from)];
      post_receive(requests, const_cast<char*>(part.data), part.bytes, from, kCollectiveTag, g.comm);
      for (size_t i = 0; i < parts(part.bytes); i++) expected.push_back({from, part_size(part.bytes, i)});
    }
    for (int step = 1; step < g.size; step++) {
      int to = (g.rank + g.size - step) % g.size;
      post_send(requests, send[size_t(to)], to, kCollectiveTag, g.comm);
    }
    const Part &mine = send[size_t(g.rank)], &own = receive[size_t(g.rank)];
    if (mine.data != own.data && mine.bytes > 0) memmove(const_cast<char*>(own.data), mine.data, mine.bytes);
    check_lengths(g, wait, requests, expected);
  }

  template <typename Expected>
  void check_lengths(const Group& g, Wait& wait, std::vector<MPI_Request>& requests, const std::vector<Expected>& expected) {
    std::vector<MPI_Status> statuses(requests.size());
    for (MPI_Status& status : statuses) status.MPI_ERROR = MPI_SUCCESS;
    await(requests, &statuses, wait);
    for (size_t i = 0; i < expected.size(); i++) {
      int count = 0;
      if (statuses[i].MPI_ERROR == MPI_ERR_PENDING) continue;
      bool truncated = statuses[i].MPI_ERROR == MPI_ERR_TRUNCATE;
      if (!truncated) MPI_Get_count(&statuses[i], MPI_BYTE, &count);
      if (truncated || size_t(count) != expected[i].bytes) {
        std::string sent = truncated ? "more" : std::to_string(count);
        watch_.fail(std::string(name_of(wait.kind)) + ": " + watch_.who(g.world_ranks[size_t(expected[i].from)]) + " sent " + sent + " bytes where " +
                 std::to_string(expected[i].bytes) + " are expected: the ranks must give arrays of matching lengths",
             kMismatchExitCode);
      }
    }
  }

  std::vector<Part> same(const Group& g, const char* data, size_t bytes) { return std::vector<Part>(size_t(g.size), Part{data, bytes}); }
  std::vector<Part> rows(const Group& g, const char* data, size_t bytes) {
    std::vector<Part> list;
    for (int r = 0; r < g.size; r++) list.push_back({data + size_t(r) * bytes, bytes});
    return list;
  }

  void broadcast(const Group& g, Wait& wait, char* data, size_t bytes, int root) {
    struct Expected {
      int from;
      size_t bytes;
    };
    int place = (g.rank - root + g.size) % g.size, mask = 1;
    std::vector<MPI_Request> requests;
    std::vector<Expected> expected;
    for (; mask < g.size; mask <<= 1) {
      if (!(place & mask)) continue;
      int from = (place - mask + root) % g.size;
      post_receive(requests, data, bytes, from, kCollectiveTag, g.comm);
      for (size_t i = 0; i < parts(bytes); i++) expected.push_back({from, part_size(bytes, i)});
      break;
    }
    check_lengths(g, wait, requests, expected);
    requests.clear();
    for (mask >>= 1; mask > 0; mask >>= 1)
      if (place + mask < g.size) post_send(requests, {data, bytes}, (place + mask + root) % g.size, kCollectiveTag, g.comm);
    await(requests, nullptr, wait);
  }

  size_t block_bytes(const Group& g) { return std::max<size_t>(65536, kReductionScratch / size_t(g.size) / 64 * 64); }

  // Adds everyone's part r on rank r. Part r of rank s starts at `part(r)`; `own` is where the result goes (it may be this rank's part).
  template <typename PartOf>
  void reduce_to_owners(const Group& g, Wait& wait, const Job& job, size_t longest, PartOf part, char* own) {
    size_t block = block_bytes(g);
    for (size_t at = 0; at < longest; at += block) {
      auto cut = [&](int r) {
        Part whole = part(r);
        size_t begin = std::min(at, whole.bytes);
        return Part{whole.data + begin, std::min(block, whole.bytes - begin)};
      };
      std::vector<Part> send, receive;
      size_t mine = cut(g.rank).bytes;
      scratch_.resize(size_t(g.size) * block);
      for (int r = 0; r < g.size; r++) {
        send.push_back(cut(r));
        receive.push_back({scratch_.data() + size_t(r) * block, mine});
      }
      exchange(g, wait, send, receive);
      if (mine > 0) reduce_rows(own + at, scratch_.data(), block, g.size, mine, job.element, job.reduction);
    }
  }

  void all_reduce(const Group& g, Wait& wait, Job& job) {
    if (g.size == 1) return;
    size_t bytes = job.output_bytes;
    if (bytes <= kSmallReduction) {
      scratch_.resize(size_t(g.size) * std::max<size_t>(bytes, 1));
      exchange(g, wait, same(g, job.output, bytes), rows(g, scratch_.data(), bytes));
      reduce_rows(job.output, scratch_.data(), bytes, g.size, bytes, job.element, job.reduction);
      return;
    }
    size_t piece = (bytes / size_t(g.size) / 64 + 1) * 64;
    auto part = [&](int r) {
      size_t begin = std::min(bytes, size_t(r) * piece);
      return Part{job.output + begin, std::min(piece, bytes - begin)};
    };
    reduce_to_owners(g, wait, job, piece, part, const_cast<char*>(part(g.rank).data));
    std::vector<Part> receive;
    for (int r = 0; r < g.size; r++) receive.push_back(part(r));
    exchange(g, wait, std::vector<Part>(size_t(g.size), part(g.rank)), receive);
  }

  void run(Job& job) {
    if (job.kind == Kind::init) return initialize(job);
    Group& g = groups_[size_t(job.group)];
    g.sequence++;
    Wait wait{job.kind, &g};
    switch (job.kind) {
      case Kind::broadcast: return broadcast(g, wait, job.output, job.output_bytes, job.peer);
      case Kind::all_reduce: return all_reduce(g, wait, job);
      case Kind::reduce_scatter: {
        auto part = [&](int r) { return Part{job.input + size_t(r) * job.output_bytes, job.output_bytes}; };
        return reduce_to_owners(g, wait, job, job.output_bytes, part, job.output);
      }
      case Kind::all_gather: return exchange(g, wait, same(g, job.input, job.input_bytes), rows(g, job.output, job.input_bytes));
      case Kind::all_to_all: {
        std::vector<Part> send, receive;
        size_t from = 0, to = 0;
        for (size_t r = 0; r < size_t(g.size); r++) {
          send.push_back({job.input + from, job.send_bytes[r]});
          receive.push_back({job.output + to, job.receive_bytes[r]});
          from += job.send_bytes[r];
          to += job.receive_bytes[r];
        }
        return exchange(g, wait, send, receive);
      }
      case Kind::split: return split(job, wait);
      case Kind::release:
        meet(g, wait);
        watch_.check(MPI_Comm_free(&g.comm), "close");
        return;
      case Kind::finalize: return finalize(wait);
      default: return meet(g, wait);
    }
  }

  void meet(const Group& g, Wait& wait) {
    std::vector<MPI_Request> requests(1);
    watch_.check(MPI_Ibarrier(g.comm, &requests[0]), name_of(wait.kind));
    await(requests, nullptr, wait);
  }

  // ---- life of groups ----
  int add_group(MPI_Comm comm, uint64_t id) {
    Group g;
    g.comm = comm;
    g.id = id;
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm, &g.rank);
    MPI_Comm_size(comm, &g.size);
    MPI_Group inner, world;
    MPI_Comm_group(comm, &inner);
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    std::vector<int> ranks(size_t(g.size));
    for (int r = 0; r < g.size; r++) ranks[size_t(r)] = r;
    g.world_ranks.resize(size_t(g.size));
    MPI_Group_translate_ranks(inner, g.size, ranks.data(), world, g.world_ranks.data());
    MPI_Group_free(&inner);
    MPI_Group_free(&world);
    groups_.push_back(std::move(g));
    return int(groups_.size()) - 1;
  }

  void initialize(Job& job) {
    part_ = job.part_bytes;
    int given = 0;
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &given) != MPI_SUCCESS || given < MPI_THREAD_FUNNELED) {
      job.error = "MPI does not start, or allows no thread of ours to call it";
      return;
    }
    MPI_Comm own;
    MPI_Comm_dup(MPI_COMM_WORLD, &own);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    add_group(own, 1);
    watch_.start(own, job.timeout_seconds);
    const Group& g = groups_[0];
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(version, &length);
    job.text = std::string(version, size_t(length));
    job.rank = g.rank;
    job.size = g.size;
    ready_ = true;
  }

  void split(Job& job, Wait& wait) {
    Group& parent = groups_[size_t(job.group)];
    // Comm_split blocks, out of the watchdog's sight: everyone meets first.
    meet(parent, wait);
    MPI_Comm comm;
    watch_.check(MPI_Comm_split(parent.comm, job.color, job.key, &comm), "split");
    uint64_t id = parent.id;
    for (uint64_t value : {++parent.splits, uint64_t(job.color)}) id = (id ^ (value + 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu, id ^= id >> 32;
    job.result_group = add_group(comm, id);
    job.rank = groups_.back().rank;
    job.size = groups_.back().size;
  }

  void finalize(Wait& wait) {
    for (int idle = 0; !sends_.empty() || !receives_.empty(); rest(idle++, false)) progress();
    watch_.expect_leaving();
    meet(groups_[0], wait);
    ready_ = false;
    watch_.stop();
    MPI_Finalize();
  }

};

// Never destroyed: its thread may still poll while the process leaves.
Engine& engine() {
  static Engine* one = new Engine;
  return *one;
}

}  // namespace

void engine_start(void (*done)(Job*)) { engine().start(done); }
void engine_submit(Job* job) { engine().submit(job); }
void engine_abort(int code) { engine().abort(code); }

}  // namespace fathom
