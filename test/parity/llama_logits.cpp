// Log-probabilities of llama.cpp for a list of ids, from the shared libraries that npm's node-llama-cpp ships (without headers): the other
// side of check_gguf.mjs.
//
//   c++ -O2 -o llama_logits llama_logits.cpp -ldl
//   ./llama_logits LIBLLAMA.so LIBGGML.so BACKEND_DIR MODEL.gguf < IDS
//
// IDS: a count, then as many ids of one sequence. Prints for every position but the last: the most likely next id, and the natural logarithm of
// the probability of the id that really follows.
//
// Parameter structs are passed by value and grow from release to release: the leading fields are named, the rest are bytes that the library
// fills with its defaults.
#include <dlfcn.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

struct ModelParams {
  unsigned char bytes[1024];
};
struct ContextParams {
  uint32_t n_ctx, n_batch, n_ubatch;
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

[[noreturn]] static void fail(const char* why) {
  std::fprintf(stderr, "llama_logits: %s\n", why);
  std::exit(1);
}
static void* open_library(const char* path) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (!handle) fail(dlerror());
  return handle;
}
template <typename F>
static F symbol(void* handle, const char* name) {
  void* found = dlsym(handle, name);
  if (!found) fail(name);
  return reinterpret_cast<F>(found);
}
static void quiet(int, const char*, void*) {}

int main(int argc, char** argv) {
  if (argc != 5) fail("usage: llama_logits LIBLLAMA.so LIBGGML.so BACKEND_DIR MODEL.gguf < IDS");
  int count = 0;
  if (std::scanf("%d", &count) != 1 || count < 2) fail("expected a count of at least 2");
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (auto& id : ids)
    if (std::scanf("%d", &id) != 1) fail("fewer ids than counted");
  void* ggml = open_library(argv[2]);
  void* llama = open_library(argv[1]);
  symbol<void (*)(void (*)(int, const char*, void*), void*)>(llama, "llama_log_set")(quiet, nullptr);
  symbol<void (*)(const char*)>(ggml, "ggml_backend_load_all_from_path")(argv[3]);
  symbol<void (*)()>(llama, "llama_backend_init")();
  void* model = symbol<void* (*)(const char*, ModelParams)>(llama, "llama_model_load_from_file")(
      argv[4], symbol<ModelParams (*)()>(llama, "llama_model_default_params")());
  if (!model) fail("the model does not load");
  auto params = symbol<ContextParams (*)()>(llama, "llama_context_default_params")();
  params.n_ctx = params.n_batch = static_cast<uint32_t>(count);
  void* context = symbol<void* (*)(void*, ContextParams)>(llama, "llama_init_from_model")(model, params);
  if (!context) fail("no context");
  auto vocab_of = symbol<const void* (*)(const void*)>(llama, "llama_model_get_vocab");
  int vocab = symbol<int32_t (*)(const void*)>(llama, "llama_vocab_n_tokens")(vocab_of(model));

  std::vector<int32_t> positions(ids.size()), one(ids.size(), 1);
  int32_t sequence = 0;
  std::vector<int32_t*> sequences(ids.size(), &sequence);
  std::vector<int8_t> wanted(ids.size(), 1);
  for (size_t i = 0; i < ids.size(); i++) positions[i] = static_cast<int32_t>(i);
  Batch batch{count, ids.data(), nullptr, positions.data(), one.data(), sequences.data(), wanted.data()};
  if (symbol<int32_t (*)(void*, Batch)>(llama, "llama_decode")(context, batch) != 0) fail("llama_decode fails");
  auto logits_of = symbol<float* (*)(void*, int32_t)>(llama, "llama_get_logits_ith");
  for (int i = 0; i + 1 < count; i++) {
    const float* logits = logits_of(context, i);
    int best = 0;
    for (int v = 1; v < vocab; v++)
      if (logits[v] > logits[best]) best = v;
    double total = 0;
    for (int v = 0; v < vocab; v++) total += std::exp(double(logits[v]) - double(logits[best]));
    std::printf("%d %.6f\n", best, double(logits[ids[size_t(i) + 1]]) - double(logits[best]) - std::log(total));
  }
  std::fflush(stdout);
  std::_Exit(0);
}
