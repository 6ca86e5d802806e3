// Runs recorded kernel calls and compares what they write with what is expected: the kernels without Node, for builds that Node cannot
// load (another processor, sanitizers). Every buffer has exactly the size the caller gave it, so that an address sanitizer sees a read
// or write one element past its end; other builds put guard bytes behind it. One that does not begin at an aligned address has guard bytes
// before it in every build. A call runs once per given thread count: the first
// result is compared with the expectation, the others with the first, to the bit. Buffers that a call only reads must stay as they are.
//
//   driver calls <file> <isa> <threads>...   the file is written by test/native/calls.ts, which documents the format
//   driver pool                              the thread pool: every chunk once, nested calls, changing thread counts
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#define FATHOM_ISA portable
#include "../kernels/table.h"
#include "../parallel.h"

namespace fathom {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kGuard = 0;
#else
constexpr size_t kGuard = 64;
#endif
constexpr unsigned char kGuardByte = 0xA5;

[[noreturn]] void fail(const std::string& message) {
  fprintf(stderr, "driver: %s\n", message.c_str());
  exit(2);
}

// ---- the file ----

enum ElementType : uint32_t { kF32 = 0, kBf16 = 1, kI32 = 2, kU8 = 3, kF64 = 4, kF16 = 5 };
enum Role : uint32_t { kInput = 0, kOutput = 1, kIgnored = 2 };
enum ArgumentKind : uint32_t { kNumber = 0, kNull = 1, kBuffer = 2 };

struct Buffer {
  ElementType type;
  Role role;
  double absolute, relative;
  size_t offset;  // bytes from an aligned address to the first element
  std::vector<unsigned char> initial, expected;
};

struct CallArgument {
  ArgumentKind kind;
  double value;  // the number, or the index of the buffer
};

struct Call {
  std::string name;
  std::vector<Buffer> buffers;
  std::vector<CallArgument> arguments;
};

class Reader {
 public:
  explicit Reader(const char* path) : file_(fopen(path, "rb")) {
    if (!file_) fail(std::string("cannot open ") + path);
  }
  ~Reader() { fclose(file_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  template <typename T>
  T value() {
    T x;
    bytes(&x, sizeof x);
    return x;
  }
  std::vector<unsigned char> block(size_t size) {
    std::vector<unsigned char> data(size);
    bytes(data.data(), size);
    return data;
  }

 private:
  void bytes(void* to, size_t size) {
    if (size > 0 && fread(to, 1, size, file_) != size) fail("the file of calls ends too early");
  }
  FILE* file_;
};

Call read_call(Reader& in) {
  Call call;
  std::vector<unsigned char> name = in.block(in.value<uint32_t>());
  call.name.assign(name.begin(), name.end());
  call.buffers.resize(in.value<uint32_t>());
  for (Buffer& b : call.buffers) {
    b.type = ElementType(in.value<uint32_t>());
    b.role = Role(in.value<uint32_t>());
    b.absolute = in.value<double>();
    b.relative = in.value<double>();
    b.offset = in.value<uint32_t>();
    uint32_t size = in.value<uint32_t>();
    b.initial = in.block(size);
    if (b.role == kOutput) b.expected = in.block(size);
  }
  call.arguments.resize(in.value<uint32_t>());
  for (CallArgument& a : call.arguments) {
    a.kind = ArgumentKind(in.value<uint32_t>());
    a.value = in.value<double>();
  }
  return call;
}

std::vector<Call> read_calls(const char* path) {
  Reader in(path);
  if (in.value<uint32_t>() != 0x32434b46) fail(std::string(path) + " is not a file of calls (it should begin with FKC2)");
  std::vector<Call> calls(in.value<uint32_t>());
  for (Call& call : calls) call = read_call(in);
  return calls;
}

// ---- calling ----

struct Word {
  double number;
  void* pointer;
};

template <typename T>
T as_argument(const Word& word) {
  if constexpr (std::is_pointer<T>::value) return static_cast<T>(word.pointer);
  else return static_cast<T>(word.number);
}

template <typename... A, size_t... I>
void apply(void (*kernel)(A...), const std::vector<Word>& words, std::index_sequence<I...>) {
  kernel(as_argument<A>(words[I])...);
}

template <typename... A>
void invoke(const char* name, void (*kernel)(A...), const std::vector<Word>& words) {
  if (words.size() != sizeof...(A))
    fail(std::string(name) + " takes " + std::to_string(sizeof...(A)) + " arguments, got " + std::to_string(words.size()));
  apply(kernel, words, std::index_sequence_for<A...>{});
}

void call_by_name(const KernelTable& table, const std::string& name, const std::vector<Word>& words) {
#define KERNEL(kernel, js) \
  if (name == #js) return invoke(#js, table.kernel, words);
#include "../kernels/kernels.def"
#undef KERNEL
  fail("no kernel is called " + name);
}

struct Memory {
  unsigned char* block;
  size_t offset, size;
  unsigned char* data;
  explicit Memory(const Buffer& b)
      : block(static_cast<unsigned char*>(malloc(b.offset + b.initial.size() + kGuard))), offset(b.offset), size(b.initial.size()), data(block + offset) {
    if (!block && offset + size + kGuard > 0) fail("out of memory");
    if (offset > 0) memset(block, kGuardByte, offset);
    if (size > 0) memcpy(data, b.initial.data(), size);
    memset(data + size, kGuardByte, kGuard);
  }
  Memory(Memory&& other) noexcept : block(other.block), offset(other.offset), size(other.size), data(other.data) { other.block = nullptr; }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { free(block); }
};

// ---- comparing ----

float from_half(uint16_t bits) {
  int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  float size = exponent == 0    ? std::ldexp(float(mantissa), -24)
               : exponent == 31 ? (mantissa ? NAN : INFINITY)
                                : std::ldexp(float(mantissa + 1024), exponent - 25);
  return bits & 0x8000 ? -size : size;
}

template <typename T>
T element(const unsigned char* data, size_t i) {
  T x;
  memcpy(&x, data + i * sizeof(T), sizeof(T));
  return x;
}

size_t element_bytes(ElementType type) {
  switch (type) {
    case kBf16:
    case kF16: return 2;
    case kU8: return 1;
    case kF64: return 8;
    default: return 4;
  }
}

double value_of(ElementType type, const unsigned char* data, size_t i) {
  switch (type) {
    case kF32: return element<float>(data, i);
    case kBf16: {
      uint32_t bits = uint32_t(element<uint16_t>(data, i)) << 16;
      float x;
      memcpy(&x, &bits, 4);
      return x;
    }
    case kI32: return element<int32_t>(data, i);
    case kU8: return data[i];
    case kF64: return element<double>(data, i);
    case kF16: return from_half(element<uint16_t>(data, i));
  }
  fail("unknown element type " + std::to_string(type));
}

bool is_close(double actual, double expected, const Buffer& b) {
  if (actual == expected || (std::isnan(actual) && std::isnan(expected))) return true;
  return std::fabs(actual - expected) <= b.absolute + b.relative * std::fabs(expected);
}

// Prints the first difference; true if there is none.
bool agrees(const std::string& where, const Buffer& b, const Memory& m, const std::vector<unsigned char>& expected) {
  for (size_t i = 0; i < m.size / element_bytes(b.type); i++) {
    double actual = value_of(b.type, m.data, i), wanted = value_of(b.type, expected.data(), i);
    if (is_close(actual, wanted, b)) continue;
    printf("%s: [%zu] is %.9g, expected %.9g (within %g + %g * |expected|)\n", where.c_str(), i, actual, wanted, b.absolute, b.relative);
    return false;
  }
  return true;
}

bool is_same(const std::string& where, const char* what, const Memory& m, const std::vector<unsigned char>& expected) {
  for (size_t i = 0; i < m.size; i++)
    if (m.data[i] != expected[i]) {
      printf("%s: byte %zu %s\n", where.c_str(), i, what);
      return false;
    }
  for (size_t i = 0; i < m.offset; i++)
    if (m.block[i] != kGuardByte) {
      printf("%s: byte %zu before the first was written\n", where.c_str(), m.offset - i);
      return false;
    }
  for (size_t i = 0; i < kGuard; i++)
    if (m.data[m.size + i] != kGuardByte) {
      printf("%s: byte %zu past the end was written\n", where.c_str(), i);
      return false;
    }
  return true;
}

bool run_call(const KernelTable& table, const Call& call, size_t number, const std::vector<int>& thread_counts) {
  bool fine = true;
  std::vector<std::vector<unsigned char>> first;
  for (int count : thread_counts) {
    set_threads(count);
    std::vector<Memory> memory;
    for (const Buffer& b : call.buffers) memory.emplace_back(b);
    std::vector<Word> words;
    for (const CallArgument& a : call.arguments)
      words.push_back({a.value, a.kind == kBuffer ? memory[size_t(a.value)].data : nullptr});
    call_by_name(table, call.name, words);
    for (size_t i = 0; i < memory.size(); i++) {
      const Buffer& b = call.buffers[i];
      std::string where = call.name + " (call " + std::to_string(number) + ", buffer " + std::to_string(i) + ", " + std::to_string(count) + " threads)";
      if (b.role == kInput) fine &= is_same(where, "of an input was changed", memory[i], b.initial);
      if (b.role == kOutput && first.size() == i) fine &= agrees(where, b, memory[i], b.expected);
      if (first.size() == i) first.emplace_back(memory[i].data, memory[i].data + memory[i].size);
      if (b.role == kOutput) fine &= is_same(where, "differs from the run on fewer threads", memory[i], first[i]);
    }
  }
  return fine;
}

int run_calls(const char* path, const std::string& isa, const std::vector<int>& thread_counts) {
  const KernelTable* table = isa == "portable" ? kernel_table_portable() : nullptr;
#if defined(FATHOM_X86_TABLES)
  if (isa == "avx2") table = kernel_table_avx2();
  if (isa == "avx512bf16") table = kernel_table_avx512bf16();
  if (isa == "avx512") table = kernel_table_avx512();
#endif
  if (!table) fail("this build has no kernels for " + isa);
  std::vector<Call> calls = read_calls(path);
  size_t wrong = 0;
  for (size_t i = 0; i < calls.size(); i++) wrong += !run_call(*table, calls[i], i, thread_counts);
  printf("%zu calls, %zu wrong\n", calls.size(), wrong);
  return wrong > 0;
}

// ---- the thread pool ----

bool covers_every_chunk(int64_t chunks) {
  std::vector<int> times(size_t(chunks), 0);
  parallel_for(chunks, [&](int64_t chunk) {
    int64_t inner = 0;
    parallel_for(3, [&](int64_t nested) { inner += nested; });  // nested: in place, on this thread
    int* own = scratch_of<int>(10, 1 + chunk % 100);
    own[chunk % 100] = int(inner);
    times[size_t(chunk)] += own[chunk % 100] - 2;
  });
  for (int n : times)
    if (n != 1) return false;
  return true;
}

int run_pool() {
  for (int count : {1, 2, 5, 3, 1, 4, 2}) {
    set_threads(count);
    if (threads() != count) return printf("set_threads(%d) gave %d threads\n", count, threads()), 1;
    for (int job = 0; job < 300; job++) {
      if (job % 3 > 0) fetch_ahead(Ahead{{&count}, job % 2, 4}, Ahead{{&count, &job}, 2, job % 5 * 1000});
      if (!covers_every_chunk(job % 37)) return printf("%d chunks on %d threads: not each exactly once\n", job % 37, count), 1;
    }
  }
  set_threads(1);
  printf("pool: every chunk exactly once\n");
  return 0;
}

int main_with(const std::vector<std::string>& args) {
  if (args.size() == 1 && args[0] == "pool") return run_pool();
  if (args.size() < 4 || args[0] != "calls") fail("usage: driver calls <file> <isa> <threads>... | driver pool");
  std::vector<int> thread_counts;
  for (size_t i = 3; i < args.size(); i++) {
    int count = atoi(args[i].c_str());
    if (count < 1 || count > 1024) fail("threads must be from 1 to 1024, got " + args[i]);
    thread_counts.push_back(count);
  }
  int status = run_calls(args[1].c_str(), args[2], thread_counts);
  set_threads(1);
  return status;
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) { return fathom::main_with(std::vector<std::string>(argv + 1, argv + argc)); }
