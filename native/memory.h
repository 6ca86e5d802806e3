// Native memory of tensors and mapped files.
#pragma once
#include <cstddef>
#include <string>

namespace fathom {

// Zero-filled pages, 64-byte aligned or better, huge pages asked for where large; null when there is no memory.
void* memory_alloc(size_t bytes);
void memory_free(void* data, size_t bytes);
// Gives the pages back; the range stays readable (zeros).
void memory_release(void* data, size_t bytes);
// Maps a whole file, private and copy-on-write (a write changes this process only). Null and *error on failure; an empty file maps to one
// page of zeros with *bytes 0.
void* memory_map(const char* path, size_t* bytes, std::string* error);
void memory_unmap(void* data, size_t bytes);
// Drops the whole pages within a range of a map that nobody has written to: they are read from the file again when they are touched.
void memory_forget(void* data, size_t bytes);

}  // namespace fathom
