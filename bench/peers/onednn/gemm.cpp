// Times oneDNN's matrix product with packed weights, the peer of `fathom bench kernels`.
//
//   c++ -O2 -o gemm gemm.cpp -ldnnl && OMP_NUM_THREADS=2 ./gemm
//
// Prints {"ready":true,"version":"2.6.3"}, then answers each line `f32|bf16 GROUPS M N K` of standard input with {"seconds":s}: one pass of
// GROUPS products [M, K] x [K, N], weights packed beforehand as oneDNN likes them, results in the type of the inputs. Several groups run as one
// product after the other and as one batched product; the faster counts. Seconds are the median over runs that fill 60 ms.
#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <unordered_map>
#include <vector>

using dnnl::memory;

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static double median_seconds(const std::function<void()>& body) {
  body();
  std::vector<double> times;
  const double end = now() + 0.06;
  do {
    const double begun = now();
    body();
    times.push_back(now() - begun);
  } while (now() < end || times.size() < 3);
  std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

static void fill(const memory& m, memory::data_type type, long count) {
  if (type == memory::data_type::f32) {
    float* x = static_cast<float*>(m.get_data_handle());
    for (long i = 0; i < count; i++) x[i] = static_cast<float>((i * 7919) % 2003) * 1e-3f - 1.0f;
  } else {
    // Bits of bf16 around 1, with both signs.
    unsigned short* x = static_cast<unsigned short*>(m.get_data_handle());
    for (long i = 0; i < count; i++) x[i] = static_cast<unsigned short>(0x3f00 + (i * 7919) % 251 + (i % 2 ? 0x8000 : 0));
  }
}

struct Product {
  dnnl::matmul primitive;
  std::unordered_map<int, memory> arguments;
};

// A product over `batch` matrices at once.
static Product product(const dnnl::engine& engine, dnnl::stream& stream, memory::data_type type, long batch, long m, long n, long k) {
  const auto dims = [&](long a, long b) { return batch > 1 ? memory::dims{batch, a, b} : memory::dims{a, b}; };
  const auto tag = batch > 1 ? memory::format_tag::abc : memory::format_tag::ab;
  const memory::desc x(dims(m, k), type, tag), any(dims(k, n), type, memory::format_tag::any), plain(dims(k, n), type, tag),
      y(dims(m, n), type, tag);
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(x, any, y), engine);
  memory source(x, engine), weights(plain, engine), packed(description.weights_desc(), engine), result(y, engine);
  fill(source, type, batch * m * k);
  fill(weights, type, batch * k * n);
  dnnl::reorder(weights, packed).execute(stream, weights, packed);
  stream.wait();
  return {dnnl::matmul(description), {{DNNL_ARG_SRC, source}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DST, result}}};
}

int main() {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto* version = dnnl::version();
  std::printf("{\"ready\":true,\"version\":\"%d.%d.%d\"}\n", version->major, version->minor, version->patch);
  std::fflush(stdout);
  char kind[16];
  long groups = 0, m = 0, n = 0, k = 0;
  while (std::scanf("%15s %ld %ld %ld %ld", kind, &groups, &m, &n, &k) == 5) {
    const auto type = std::strcmp(kind, "f32") == 0 ? memory::data_type::f32 : memory::data_type::bf16;
    const auto run = [&](std::vector<Product> products) {
      return median_seconds([&] {
        for (auto& one : products) one.primitive.execute(stream, one.arguments);
        stream.wait();
      });
    };
    std::vector<Product> each;
    for (long g = 0; g < groups; g++) each.push_back(product(engine, stream, type, 1, m, n, k));
    double best = run(each);
    if (groups > 1) best = std::min(best, run({product(engine, stream, type, groups, m, n, k)}));
    std::printf("{\"seconds\":%.9f}\n", best);
    std::fflush(stdout);
  }
  return 0;
}
