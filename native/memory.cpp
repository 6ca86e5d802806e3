// See memory.h.
#include "memory.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "map_guard.h"

namespace fathom {
namespace {
size_t whole_pages(size_t bytes) { return bytes == 0 ? 4096 : (bytes + 4095) / 4096 * 4096; }
constexpr size_t kHuge = size_t(2) << 20;
}  // namespace

void* memory_alloc(size_t bytes) {
  size_t size = whole_pages(bytes);
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
#if defined(MADV_HUGEPAGE)
  if (size >= kHuge) madvise(data, size, MADV_HUGEPAGE);
#endif
  return data;
}

void memory_free(void* data, size_t bytes) { munmap(data, whole_pages(bytes)); }

void memory_release(void* data, size_t bytes) {
  // Fixed remapping also gives back pages that MADV_DONTNEED keeps on systems other than Linux.
  mmap(data, whole_pages(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

void* memory_map(const char* path, size_t* bytes, std::string* error) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) {
    *error = std::string(path) + ": " + strerror(errno);
    if (fd >= 0) close(fd);
    return nullptr;
  }
  *bytes = size_t(status.st_size);
  void* data = *bytes == 0 ? mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                           : mmap(nullptr, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) {
    *error = std::string(path) + ": cannot map: " + strerror(errno);
    data = nullptr;
  }
  close(fd);
  if (data && *bytes > 0) guard_map(data, *bytes, path);
  return data;
}

void memory_unmap(void* data, size_t bytes) {
  if (bytes > 0) unguard_map(data);
  munmap(data, whole_pages(bytes));
}

void memory_forget(void* data, size_t bytes) {
  uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE)), begin = (uintptr_t(data) + page - 1) / page * page;
  uintptr_t end = (uintptr_t(data) + bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace fathom
