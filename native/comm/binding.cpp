// The MPI addon, apart from the kernels' addon so that a machine without MPI runs everything else. Only Node-API code: each function hands
// a job to the communication thread (engine.h) and returns a promise. Arguments are checked by src/distributed/mpi.ts; typed arrays are
// held by references until their job is done.
#define NAPI_VERSION 8
#include <node_api.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine.h"

namespace fathom {
namespace {

struct Call {
  Job job;
  napi_deferred deferred = nullptr;
  std::vector<napi_ref> pinned;
};

napi_threadsafe_function report = nullptr;
int64_t pending = 0;

void set_number(napi_env env, napi_value object, const char* name, double value) {
  napi_value number;
  napi_create_double(env, value, &number);
  napi_set_named_property(env, object, name, number);
}

void settle(napi_env env, napi_value, void*, void* data) {
  Call* call = static_cast<Call*>(data);
  if (!env) return;
  for (napi_ref ref : call->pinned) napi_delete_reference(env, ref);
  // A process that waits for nothing may end.
  if (--pending == 0) napi_unref_threadsafe_function(env, report);
  Job& job = call->job;
  napi_value result;
  if (!job.error.empty()) {
    napi_value text;
    napi_create_string_utf8(env, job.error.data(), job.error.size(), &text);
    (job.is_range_error ? napi_create_range_error : napi_create_error)(env, nullptr, text, &result);
    napi_reject_deferred(env, call->deferred, result);
  } else {
    if (job.kind == Kind::init || job.kind == Kind::split) {
      napi_value text;
      napi_create_object(env, &result);
      set_number(env, result, "group", job.result_group);
      set_number(env, result, "rank", job.rank);
      set_number(env, result, "size", job.size);
      napi_create_string_utf8(env, job.text.data(), job.text.size(), &text);
      napi_set_named_property(env, result, "library", text);
    } else {
      napi_get_undefined(env, &result);
    }
    napi_resolve_deferred(env, call->deferred, result);
  }
  delete call;
}

void done(Job* job) { napi_call_threadsafe_function(report, job->owner, napi_tsfn_blocking); }

// ---- arguments ----
constexpr size_t kMost = 5;
struct Arguments {
  napi_env env;
  napi_value values[kMost];
  size_t count = kMost;
  bool fine = true;
  Call* call = new Call;

  Arguments(napi_env e, napi_callback_info info) : env(e) { napi_get_cb_info(env, info, &count, values, nullptr, nullptr); }

  double number(size_t i) {
    double value = 0;
    if (i >= count || napi_get_value_double(env, values[i], &value) != napi_ok) fine = false;
    return value;
  }
  int integer(size_t i) { return int(number(i)); }

  // Bytes of a typed array, which then lives until the job is done.
  char* bytes(size_t i, size_t* size, napi_typedarray_type* type = nullptr) {
    bool is_array = false;
    *size = 0;
    if (i >= count || napi_is_typedarray(env, values[i], &is_array) != napi_ok || !is_array) return fine = false, nullptr;
    napi_typedarray_type kind;
    size_t length = 0;
    void* data = nullptr;
    napi_get_typedarray_info(env, values[i], &kind, &length, &data, nullptr, nullptr);
    bool is_wide = kind == napi_float64_array, is_byte = kind == napi_uint8_array;
    *size = length * (is_wide ? 8 : is_byte ? 1 : 4);
    if (!is_wide && !is_byte && kind != napi_float32_array && kind != napi_int32_array) fine = false;
    if (type) *type = kind;
    napi_ref ref;
    if (napi_create_reference(env, values[i], 1, &ref) == napi_ok) call->pinned.push_back(ref);
    return static_cast<char*>(data);
  }
  void output(size_t i, napi_typedarray_type* type = nullptr) { call->job.output = bytes(i, &call->job.output_bytes, type); }
  void input(size_t i) { call->job.input = bytes(i, &call->job.input_bytes); }
  std::vector<size_t> sizes(size_t i) {
    size_t length = 0;
    const double* data = reinterpret_cast<const double*>(bytes(i, &length));
    std::vector<size_t> list;
    for (size_t k = 0; k < length / 8; k++) list.push_back(size_t(data[k]));
    return list;
  }

  napi_value submit(Kind kind) {
    if (!fine) {
      for (napi_ref ref : call->pinned) napi_delete_reference(env, ref);
      delete call;
      napi_throw_type_error(env, nullptr, "internal: an argument of the MPI addon has the wrong kind");
      return nullptr;
    }
    napi_value promise;
    napi_create_promise(env, &call->deferred, &promise);
    call->job.kind = kind;
    call->job.owner = call;
    if (pending++ == 0) napi_ref_threadsafe_function(env, report);
    engine_submit(&call->job);
    return promise;
  }
};

// init(timeoutSeconds, partBytes) -> { group: 0, rank, size, library }; once per process.
napi_value init_js(napi_env env, napi_callback_info info) {
  if (report) {
    napi_throw_error(env, nullptr, "internal: MPI is started once per process");
    return nullptr;
  }
  Arguments a(env, info);
  a.call->job.timeout_seconds = a.number(0);
  a.call->job.part_bytes = size_t(a.number(1));
  napi_value name;
  napi_create_string_utf8(env, "fathom MPI", NAPI_AUTO_LENGTH, &name);
  napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, settle, &report);
  napi_unref_threadsafe_function(env, report);
  engine_start(done);
  return a.submit(Kind::init);
}

// split(group, color, key) -> { group, rank, size }
napi_value split_js(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  a.call->job.group = a.integer(0);
  a.call->job.color = a.integer(1);
  a.call->job.key = a.integer(2);
  return a.submit(Kind::split);
}

// barrier(group), release(group), finalize(group)
template <Kind kind>
napi_value plain_js(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  a.call->job.group = a.integer(0);
  return a.submit(kind);
}

// broadcast(group, data, root)
napi_value broadcast_js(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  a.call->job.group = a.integer(0);
  a.output(1);
  a.call->job.peer = a.integer(2);
  return a.submit(Kind::broadcast);
}

// allReduce(group, data, isMax)
napi_value all_reduce_js(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  napi_typedarray_type type = napi_uint8_array;
  a.call->job.group = a.integer(0);
  a.output(1, &type);
  a.call->job.reduction = a.integer(2) ? Reduction::max : Reduction::sum;
  a.call->job.element = type == napi_float64_array ? Element::f64 : type == napi_int32_array ? Element::i32 : Element::f32;
  if (type == napi_uint8_array) a.fine = false;
  return a.submit(Kind::all_reduce);
}

// reduceScatter(group, output, input), allGather(group, output, input)
template <Kind kind>
napi_value pair_js(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  a.call->job.group = a.integer(0);
  a.output(1);
  a.input(2);
  return a.submit(kind);
}

// allToAllV(group, output, receiveBytes, input, sendBytes); counts are Float64Arrays with one entry per rank
napi_value all_to_all_js(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  a.call->job.group = a.integer(0);
  a.output(1);
  a.call->job.receive_bytes = a.sizes(2);
  a.input(3);
  a.call->job.send_bytes = a.sizes(4);
  return a.submit(Kind::all_to_all);
}

// send(group, data, to, tag)
napi_value send_js(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  a.call->job.group = a.integer(0);
  a.input(1);
  a.call->job.peer = a.integer(2);
  a.call->job.tag = a.integer(3);
  return a.submit(Kind::send);
}

// receive(group, data, from, tag)
napi_value receive_js(napi_env env, napi_callback_info info) {
  Arguments a(env, info);
  a.call->job.group = a.integer(0);
  a.output(1);
  a.call->job.peer = a.integer(2);
  a.call->job.tag = a.integer(3);
  return a.submit(Kind::receive);
}

// abort(code): ends every process of the job; does not return.
napi_value abort_js(napi_env env, napi_callback_info info) {
  napi_value args[1];
  size_t given = 1;
  int32_t code = 1;
  napi_get_cb_info(env, info, &given, args, nullptr, nullptr);
  if (given > 0) napi_get_value_int32(env, args[0], &code);
  engine_abort(code);
}

void define(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value fn;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &fn);
  napi_set_named_property(env, exports, name, fn);
}

napi_value init(napi_env env, napi_value exports) {
  define(env, exports, "init", init_js);
  define(env, exports, "split", split_js);
  define(env, exports, "barrier", plain_js<Kind::barrier>);
  define(env, exports, "release", plain_js<Kind::release>);
  define(env, exports, "finalize", plain_js<Kind::finalize>);
  define(env, exports, "broadcast", broadcast_js);
  define(env, exports, "allReduce", all_reduce_js);
  define(env, exports, "reduceScatter", pair_js<Kind::reduce_scatter>);
  define(env, exports, "allGather", pair_js<Kind::all_gather>);
  define(env, exports, "allToAllV", all_to_all_js);
  define(env, exports, "send", send_js);
  define(env, exports, "receive", receive_js);
  define(env, exports, "abort", abort_js);
  return exports;
}

}  // namespace
}  // namespace fathom

NAPI_MODULE_INIT() { return fathom::init(env, exports); }
