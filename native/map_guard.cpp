// See map_guard.h.
#include "map_guard.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace fathom {
namespace {

// A list that only grows, so that the handler can walk it while others change it; the entries of maps that are gone are used again. Whoever
// faults in a map keeps that map alive, so the handler may trust the entry that it finds; others may be changing under it.
struct Entry {
  std::atomic<uintptr_t> begin{0}, end{0};  // begin 0: free
  std::atomic<bool> is_watched{false}, is_damaged{false};
  std::string path;
  Entry* next = nullptr;
};

std::atomic<Entry*> entries{nullptr};
std::atomic<int32_t> damaged{0};
std::mutex changing;
uintptr_t page_size = 4096;
struct sigaction before;

Entry* entry_at(uintptr_t address) {
  for (Entry* entry = entries.load(std::memory_order_acquire); entry; entry = entry->next) {
    uintptr_t begin = entry->begin.load(std::memory_order_acquire), end = entry->end.load(std::memory_order_acquire);
    // An entry that changed in between is not the one of a map in use.
    if (begin != 0 && address >= begin && address < end && entry->begin.load(std::memory_order_acquire) == begin) return entry;
  }
  return nullptr;
}

void say(const char* text) {
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

// Within a signal handler: no allocation, no lock.
void on_bus_error(int signal, siginfo_t* info, void* context) {
  int kept = errno;
  // si_code of a signal that another process sent is not positive, and its si_addr means nothing.
  Entry* entry = info->si_code > 0 ? entry_at(uintptr_t(info->si_addr)) : nullptr;
  if (entry && entry->is_watched.load()) {
    // What lies behind a missing page of a file that was cut is missing too: one map for all of it, not a fault for each page.
    uintptr_t begin = uintptr_t(info->si_addr) / page_size * page_size, end = entry->end.load();
    void* zeros = mmap(reinterpret_cast<void*>(begin), (end - begin + page_size - 1) / page_size * page_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros != MAP_FAILED) {
      if (!entry->is_damaged.exchange(true)) damaged.fetch_add(1);
      errno = kept;
      return;
    }
  }
  if (entry) {
    say("fathom: ");
    say(entry->path.c_str());
    say(": cut short or unreadable while it was mapped\n");
  }
  errno = kept;
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(signal);
  } else if (before.sa_handler == SIG_DFL || info->si_code > 0) {
    // The faulting instruction runs again after this and ends the process; a signal that was sent is sent again.
    std::signal(signal, SIG_DFL);
    if (info->si_code <= 0) raise(signal);
  }
}

void install() {
  page_size = uintptr_t(sysconf(_SC_PAGESIZE));
  // Node unloads an addon with the last thread that loaded it; the handler has to stay.
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&on_bus_error), &self) != 0) dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &before);
}

}  // namespace

void guard_map(void* data, size_t bytes, const char* path) {
  static std::once_flag installed;
  std::call_once(installed, install);
  std::lock_guard<std::mutex> lock(changing);
  Entry* entry = entries.load();
  while (entry && entry->begin.load() != 0) entry = entry->next;
  bool is_new = !entry;
  if (is_new) entry = new Entry;
  entry->path = path;
  entry->is_watched = entry->is_damaged = false;
  entry->end.store(uintptr_t(data) + bytes, std::memory_order_release);
  entry->begin.store(uintptr_t(data), std::memory_order_release);
  if (!is_new) return;
  entry->next = entries.load();
  entries.store(entry, std::memory_order_release);
}

void unguard_map(void* data) {
  std::lock_guard<std::mutex> lock(changing);
  if (Entry* entry = entry_at(uintptr_t(data))) entry->begin.store(0, std::memory_order_release);
}

void watch_map(void* data, bool is_watched) {
  if (Entry* entry = entry_at(uintptr_t(data))) entry->is_watched = is_watched;
}

bool is_map_damaged(void* data) {
  Entry* entry = entry_at(uintptr_t(data));
  return entry && entry->is_damaged;
}

int32_t damaged_maps() { return damaged.load(); }

}  // namespace fathom
