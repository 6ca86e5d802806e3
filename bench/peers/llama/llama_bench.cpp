// Times llama.cpp's own engine from the shared libraries that npm's node-llama-cpp ships (they come without headers and without llama-bench):
// the same calls as llama-bench makes, llama_decode and llama_synchronize, on random ids, with nothing of Node between them.
//
//   c++ -O2 -o llama_bench llama_bench.cpp -ldl
//   ./llama_bench LIBRARY_DIR MODEL.gguf THREADS MAX_TOKENS
//
// Prints {"ready":true,...}, then answers each line of standard input with one line {"seconds":s}:
//   prefill N    N tokens into an empty cache, as llama-bench -p N
//   depth N      empties the cache and fills it with N tokens
//   decode N     N tokens, one at a time, on top of what the cache holds, as llama-bench -n N -d DEPTH
//
// The two parameter structs are passed by value and grow from release to release. Only the leading fields are named here; the rest are bytes that
// the library itself fills with its defaults. A struct larger than the library's own is harmless in the calling conventions of x86-64 and AArch64.
#include <dirent.h>
#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

struct ModelParams {
  unsigned char bytes[1024];
};

struct ContextParams {
  uint32_t n_ctx, n_batch;
  unsigned char bytes[1024];
};

struct Batch {
  int32_t n_tokens;
  int32_t* token;
  float* embd;
  int32_t* pos;
  int32_t* n_seq_id;
  int32_t** seq_id;
  int8_t* logits;
};

[[noreturn]] static void fail(const std::string& why) {
  std::fprintf(stderr, "llama_bench: %s\n", why.c_str());
  std::exit(1);
}

static std::string library(const std::string& folder, const std::string& prefix) {
  DIR* dir = opendir(folder.c_str());
  if (!dir) fail(folder + ": no such folder");
  std::string found;
  while (dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name.rfind(prefix, 0) == 0 && name.find(".so") != std::string::npos && name.find('-') == std::string::npos) found = name;
  }
  closedir(dir);
  if (found.empty()) fail(folder + ": no " + prefix + "*.so");
  return folder + "/" + found;
}

static void* open_library(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!handle) fail(dlerror());
  return handle;
}

template <typename F>
static F symbol(void* handle, const char* name) {
  void* found = dlsym(handle, name);
  if (!found) fail(std::string("the library lacks ") + name);
  return reinterpret_cast<F>(found);
}

static void quiet(int, const char*, void*) {}

int main(int argc, char** argv) {
  if (argc != 5) fail("usage: llama_bench LIBRARY_DIR MODEL.gguf THREADS MAX_TOKENS");
  const std::string folder = argv[1];
  const int threads = std::atoi(argv[3]);
  const int most = std::atoi(argv[4]);
  if (threads < 1 || most < 1) fail("THREADS and MAX_TOKENS must be positive");
  void* ggml = open_library(library(folder, "libggml"));
  void* llama = open_library(library(folder, "libllama"));
  symbol<void (*)(void (*)(int, const char*, void*), void*)>(llama, "llama_log_set")(quiet, nullptr);
  symbol<void (*)(const char*)>(ggml, "ggml_backend_load_all_from_path")(folder.c_str());
  symbol<void (*)()>(llama, "llama_backend_init")();

  auto model_params = symbol<ModelParams (*)()>(llama, "llama_model_default_params")();
  void* model = symbol<void* (*)(const char*, ModelParams)>(llama, "llama_model_load_from_file")(argv[2], model_params);
  if (!model) fail(std::string(argv[2]) + " does not load");
  auto params = symbol<ContextParams (*)()>(llama, "llama_context_default_params")();
  params.n_ctx = static_cast<uint32_t>(most);
  void* context = symbol<void* (*)(void*, ContextParams)>(llama, "llama_init_from_model")(model, params);
  if (!context) fail("no context");
  if (symbol<uint32_t (*)(void*)>(llama, "llama_n_ctx")(context) < params.n_ctx) fail("a parameter struct of another layout");
  symbol<void (*)(void*, int32_t, int32_t)>(llama, "llama_set_n_threads")(context, threads, threads);
  const uint32_t step = params.n_batch;

  const auto decode = symbol<int32_t (*)(void*, Batch)>(llama, "llama_decode");
  const auto one_batch = symbol<Batch (*)(int32_t*, int32_t)>(llama, "llama_batch_get_one");
  const auto synchronize = symbol<void (*)(void*)>(llama, "llama_synchronize");
  const auto memory = symbol<void* (*)(void*)>(llama, "llama_get_memory");
  const auto clear = symbol<void (*)(void*, bool)>(llama, "llama_memory_clear");
  const auto vocab_of = symbol<const void* (*)(const void*)>(llama, "llama_model_get_vocab");
  const int vocab = symbol<int32_t (*)(const void*)>(llama, "llama_vocab_n_tokens")(vocab_of(model));
  const std::string info = symbol<const char* (*)()>(llama, "llama_print_system_info")();

  uint32_t state = 1;
  const auto random_token = [&] {
    state = state * 1664525u + 1013904223u;
    return static_cast<int32_t>((static_cast<uint64_t>(state) * static_cast<uint64_t>(vocab)) >> 32);
  };
  const auto feed = [&](int32_t* tokens, int32_t count) {
    if (decode(context, one_batch(tokens, count)) != 0) fail("llama_decode fails: more tokens than MAX_TOKENS?");
  };
  const auto fill = [&](int tokens) {
    clear(memory(context), true);
    std::vector<int32_t> ids(static_cast<size_t>(tokens));
    for (auto& id : ids) id = random_token();
    for (uint32_t at = 0; at < ids.size(); at += step) {
      feed(ids.data() + at, static_cast<int32_t>(std::min<size_t>(step, ids.size() - at)));
    }
    synchronize(context);
  };
  const auto generate = [&](int tokens) {
    for (int i = 0; i < tokens; i++) {
      int32_t id = random_token();
      feed(&id, 1);
      synchronize(context);
    }
  };
  // Once unmeasured: pages of the file, and the graphs of one and of many tokens.
  fill(std::min(64, most / 2));
  generate(2);
  std::printf("{\"ready\":true,\"threads\":%d,\"vocab\":%d,\"system\":\"%s\"}\n", threads, vocab, info.c_str());
  std::fflush(stdout);

  char command[32];
  int count = 0;
  while (std::scanf("%31s %d", command, &count) == 2) {
    if (count < 0) fail("a count below 0");
    const auto begun = std::chrono::steady_clock::now();
    if (!std::strcmp(command, "prefill") || !std::strcmp(command, "depth")) fill(count);
    else if (!std::strcmp(command, "decode")) generate(count);
    else fail(std::string("unknown command ") + command);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    std::printf("{\"seconds\":%.6f}\n", seconds);
    std::fflush(stdout);
  }
  // The libraries' own end-of-process code is slow and of no use here.
  std::_Exit(0);
}
