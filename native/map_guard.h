// Mapped files that are cut short, or whose disk fails, while they are mapped: reading what is gone raises SIGBUS, which ends a process. A
// map that is watched is filled with zeros there instead and marked as damaged, so that its owner can say so and others go on.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fathom {

// Every map of a file is told of, from its making to right before its end; at first it is not watched. The first one installs the handler,
// which passes all that is not about a watched map to whoever had the signal before. `path` is copied.
void guard_map(void* data, size_t bytes, const char* path);
void unguard_map(void* data);
// Without effect for what is no map.
void watch_map(void* data, bool is_watched);
bool is_map_damaged(void* data);
// Maps damaged since the process began: while it stays the same, no map has changed.
int32_t damaged_maps();

}  // namespace fathom
