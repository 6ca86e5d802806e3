// The addon: only Node-API code. A kernel becomes a JavaScript function by its C++ type: pointers arrive as addresses (numbers; null and
// undefined are null pointers), integers and floats as numbers. Sizes and shapes are checked by the TypeScript ops, which own every
// buffer; this file checks that each argument is a number of the right kind.
#define NAPI_VERSION 8
#include <node_api.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#define FATHOM_ISA portable
#include "kernels/table.h"
#include "map_guard.h"
#include "memory.h"
#include "parallel.h"

namespace fathom {
namespace {

const KernelTable* active = nullptr;
const char* active_name = "";

bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}
bool has_avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

// What this CPU can run, best first. AMD's processors multiply bf16 at twice the rate of f32, Intel's without AMX at half of it.
std::vector<std::string> isa_names() {
  std::vector<std::string> names;
#if defined(__x86_64__)
  if (has_avx512()) {
    names = {"avx512", "avx512bf16"};
    if (__builtin_cpu_is("amd")) std::swap(names[0], names[1]);
  }
  if (has_avx2()) names.push_back("avx2");
#endif
  names.push_back("portable");
  return names;
}

// Chooses by name; false if this CPU cannot run it.
bool select_isa(const std::string& name) {
#if defined(__x86_64__)
  if (name == "avx512bf16" && has_avx512()) return active = kernel_table_avx512bf16(), active_name = "avx512bf16", true;
  if (name == "avx512" && has_avx512()) return active = kernel_table_avx512(), active_name = "avx512", true;
  if (name == "avx2" && has_avx2()) return active = kernel_table_avx2(), active_name = "avx2", true;
#endif
  if (name == "portable") return active = kernel_table_portable(), active_name = "portable", true;
  return false;
}

napi_value throw_type(napi_env env, const char* message) {
  napi_throw_type_error(env, nullptr, message);
  return nullptr;
}

// ---- arguments ----
template <typename T>
struct Argument;
template <>
struct Argument<int64_t> {
  static bool get(napi_env env, napi_value v, int64_t& out) {
    double d;
    if (napi_get_value_double(env, v, &d) != napi_ok) return false;
    out = int64_t(d);
    return double(out) == d;
  }
};
template <>
struct Argument<int32_t> {
  static bool get(napi_env env, napi_value v, int32_t& out) {
    int64_t wide;
    if (!Argument<int64_t>::get(env, v, wide)) {
      bool b;
      if (napi_get_value_bool(env, v, &b) != napi_ok) return false;
      wide = b;
    }
    out = int32_t(wide);
    return out == wide;
  }
};
template <>
struct Argument<float> {
  static bool get(napi_env env, napi_value v, float& out) {
    double d;
    if (napi_get_value_double(env, v, &d) != napi_ok) return false;
    out = float(d);
    return true;
  }
};
template <>
struct Argument<double> {
  static bool get(napi_env env, napi_value v, double& out) { return napi_get_value_double(env, v, &out) == napi_ok; }
};
template <typename P>
struct Argument<P*> {
  static bool get(napi_env env, napi_value v, P*& out) {
    double d;
    if (napi_get_value_double(env, v, &d) == napi_ok) {
      out = reinterpret_cast<P*>(uintptr_t(d));
      return d >= 0;
    }
    napi_valuetype type;
    out = nullptr;
    return napi_typeof(env, v, &type) == napi_ok && (type == napi_null || type == napi_undefined);
  }
};

template <auto Member>
struct Caller;
template <typename... A, void (*KernelTable::*Member)(A...)>
struct Caller<Member> {
  static napi_value call(napi_env env, napi_callback_info info) {
    return invoke(env, info, std::index_sequence_for<A...>{});
  }
  template <size_t... I>
  static napi_value invoke(napi_env env, napi_callback_info info, std::index_sequence<I...>) {
    constexpr size_t count = sizeof...(A);
    napi_value args[count];
    size_t given = count;
    void* data;
    napi_get_cb_info(env, info, &given, args, nullptr, &data);
    std::tuple<A...> values;
    size_t bad = count;
    bool fine = given >= count && ((Argument<A>::get(env, args[I], std::get<I>(values)) || (bad = I, false)) && ...);
    if (!fine) {
      char text[160];
      if (given < count) snprintf(text, sizeof text, "internal: %s takes %zu arguments, got %zu", (const char*)data, count, given);
      else snprintf(text, sizeof text, "internal: %s: argument %zu is not a number of the right kind", (const char*)data, bad);
      return throw_type(env, text);
    }
    (active->*Member)(std::get<I>(values)...);
    return nullptr;
  }
};

void define(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value fn;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, const_cast<char*>(name), &fn);
  napi_set_named_property(env, exports, name, fn);
}

// ---- memory: see memory.h ----
void set_block(napi_env env, napi_value object, napi_value buffer, void* data, size_t bytes) {
  napi_value address, size;
  napi_create_double(env, double(uintptr_t(data)), &address);
  napi_create_double(env, double(bytes), &size);
  napi_set_named_property(env, object, "buffer", buffer);
  napi_set_named_property(env, object, "address", address);
  napi_set_named_property(env, object, "bytes", size);
}

// alloc(bytes) -> { buffer: ArrayBuffer, address, bytes }; zero-filled, 64-byte aligned, freed by release() or with its last view.
napi_value alloc(napi_env env, napi_callback_info info) {
  napi_value args[1];
  size_t given = 1;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  int64_t bytes;
  if (given < 1 || !Argument<int64_t>::get(env, args[0], bytes) || bytes < 0) return throw_type(env, "internal: alloc takes a size in bytes");
  void* data = memory_alloc(size_t(bytes));
  if (!data) {
    std::string text = "out of memory: cannot allocate " + std::to_string(bytes) + " bytes";
    napi_throw_range_error(env, nullptr, text.c_str());
    return nullptr;
  }
  napi_value buffer, object;
  napi_create_external_arraybuffer(
      env, data, size_t(bytes), [](napi_env, void* p, void* hint) { memory_free(p, size_t(uintptr_t(hint))); },
      reinterpret_cast<void*>(uintptr_t(bytes)), &buffer);
  napi_create_object(env, &object);
  set_block(env, object, buffer, data, size_t(bytes));
  return object;
}

// release(address, bytes): gives the pages back to the system at once (they read as zero afterwards); the address range stays reserved
// until the ArrayBuffer is collected, so a late reader cannot touch someone else's memory.
napi_value release(napi_env env, napi_callback_info info) {
  napi_value args[2];
  size_t given = 2;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  int64_t address, bytes;
  if (given < 2 || !Argument<int64_t>::get(env, args[0], address) || !Argument<int64_t>::get(env, args[1], bytes))
    return throw_type(env, "internal: release takes an address and a size");
  memory_release(reinterpret_cast<void*>(address), size_t(bytes));
  return nullptr;
}

// forget(address, bytes): see memory_forget.
napi_value forget(napi_env env, napi_callback_info info) {
  napi_value args[2];
  size_t given = 2;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  int64_t address, bytes;
  if (given < 2 || !Argument<int64_t>::get(env, args[0], address) || !Argument<int64_t>::get(env, args[1], bytes) || bytes < 0)
    return throw_type(env, "internal: forget takes an address and a size");
  memory_forget(reinterpret_cast<void*>(address), size_t(bytes));
  return nullptr;
}

// mapFile(path) -> { buffer, address, bytes }: private copy-on-write map; throws with the system's reason.
napi_value map_file(napi_env env, napi_callback_info info) {
  napi_value args[1];
  size_t given = 1;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  size_t length = 0;
  if (given < 1 || napi_get_value_string_utf8(env, args[0], nullptr, 0, &length) != napi_ok) return throw_type(env, "mapFile takes a path");
  std::string path(length, '\0');
  napi_get_value_string_utf8(env, args[0], path.data(), length + 1, &length);
  size_t bytes = 0;
  std::string error;
  void* data = memory_map(path.c_str(), &bytes, &error);
  if (!data) {
    napi_throw_range_error(env, nullptr, error.c_str());
    return nullptr;
  }
  napi_value buffer, object;
  napi_create_external_arraybuffer(
      env, data, bytes, [](napi_env, void* p, void* hint) { memory_unmap(p, size_t(uintptr_t(hint))); },
      reinterpret_cast<void*>(uintptr_t(bytes)), &buffer);
  napi_create_object(env, &object);
  set_block(env, object, buffer, data, bytes);
  return object;
}

// watchMap(address, isWatched), isMapDamaged(address), damagedMaps(): see map_guard.h.
napi_value watch_map_js(napi_env env, napi_callback_info info) {
  napi_value args[2];
  size_t given = 2;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  int64_t address;
  bool is_watched;
  if (given < 2 || !Argument<int64_t>::get(env, args[0], address) || napi_get_value_bool(env, args[1], &is_watched) != napi_ok)
    return throw_type(env, "internal: watchMap takes an address and a boolean");
  watch_map(reinterpret_cast<void*>(address), is_watched);
  return nullptr;
}

napi_value is_map_damaged_js(napi_env env, napi_callback_info info) {
  napi_value args[1], result;
  size_t given = 1;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  int64_t address;
  if (given < 1 || !Argument<int64_t>::get(env, args[0], address)) return throw_type(env, "internal: isMapDamaged takes an address");
  napi_get_boolean(env, is_map_damaged(reinterpret_cast<void*>(address)), &result);
  return result;
}

napi_value damaged_maps_js(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_int32(env, damaged_maps(), &result);
  return result;
}

napi_value set_threads_js(napi_env env, napi_callback_info info) {
  napi_value args[1];
  size_t given = 1;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  int32_t count;
  if (given < 1 || !Argument<int32_t>::get(env, args[0], count) || count < 1 || count > 1024) {
    napi_throw_range_error(env, nullptr, "threads must be an integer from 1 to 1024");
    return nullptr;
  }
  set_threads(count);
  return nullptr;
}

napi_value select_isa_js(napi_env env, napi_callback_info info) {
  napi_value args[1], result;
  size_t given = 1, length = 0;
  char name[32] = "";
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  if (given > 0) napi_get_value_string_utf8(env, args[0], name, sizeof name, &length);
  napi_get_boolean(env, select_isa(name), &result);
  return result;
}

napi_value isa_js(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_string_utf8(env, active_name, NAPI_AUTO_LENGTH, &result);
  return result;
}

// Names of the instruction sets this CPU can run, best first, joined by commas.
napi_value isas_js(napi_env env, napi_callback_info) {
  std::string names;
  for (const std::string& name : isa_names()) names += (names.empty() ? "" : ",") + name;
  napi_value result;
  napi_create_string_utf8(env, names.c_str(), NAPI_AUTO_LENGTH, &result);
  return result;
}

napi_value init(napi_env env, napi_value exports) {
  if (!active) select_isa(isa_names()[0]);
#define KERNEL(name, js) define(env, exports, #js, Caller<&KernelTable::name>::call);
#include "kernels/kernels.def"
#undef KERNEL
  define(env, exports, "alloc", alloc);
  define(env, exports, "release", release);
  define(env, exports, "forget", forget);
  define(env, exports, "mapFile", map_file);
  define(env, exports, "watchMap", watch_map_js);
  define(env, exports, "isMapDamaged", is_map_damaged_js);
  define(env, exports, "damagedMaps", damaged_maps_js);
  define(env, exports, "setThreads", set_threads_js);
  define(env, exports, "selectIsa", select_isa_js);
  define(env, exports, "isa", isa_js);
  define(env, exports, "isas", isas_js);
  return exports;
}

}  // namespace
}  // namespace fathom

NAPI_MODULE_INIT() { return fathom::init(env, exports); }
