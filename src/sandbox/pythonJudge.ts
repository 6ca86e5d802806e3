/**
 * Python that runs the tests, in an interpreter that the program never enters. A name that the tests do not define is looked up in the
 * program; functions and objects of the program are stand-ins (`Remote`) here, calls go over and plain values come back, decoded as data.
 * So nothing the program does to its own interpreter (patched builtins, frames, the garbage collector, `sys.exit`) is seen by the tests.
 *
 * What is left to a program is to answer with objects that say yes to everything. Therefore a stand-in equals no plain value, takes
 * part in no arithmetic or comparison with one, converts to no number, and has no methods that confirm a value they are given
 * (`startswith`, `index`, ...), unless the tests made it themselves by calling a class by a name with a capital letter: then it is
 * the class that is tested. Two stand-ins are compared by the program.
 */
import { pythonCodec } from "./pythonCodec.js";

export const pythonJudge = `${pythonCodec}
def fathom_judge():
    import builtins, sys
    receive, send = fathom_channel()
    # Names of the library that tests use because the program is expected to import them: taken from here, not from the program.
    modules = ("bisect cmath collections copy datetime decimal fractions functools heapq itertools json math operator os random re"
               " statistics string sys typing").split()
    members = {
        "collections": "Counter OrderedDict defaultdict deque namedtuple", "decimal": "Decimal", "fractions": "Fraction",
        "math": "isclose", "copy": "deepcopy", "typing": "List Dict Tuple Set Optional Any Union Callable",
    }
    library = {name: (module, name) for module in members for name in members[module].split()}
    confirming = set("startswith endswith startsWith endsWith index find rfind rindex count issubset issuperset isdisjoint".split())
    readable = set("__name__ __qualname__ __doc__ __module__ __dict__".split())
    remotes, functions, raised, indices = {}, [], {}, {}
    used = [False]
    hidden = object.__getattribute__
    setup_hidden = object.__setattr__

    class Remote:
        __slots__ = ("fathom_index", "fathom_kind", "fathom_truth", "fathom_type", "fathom_name", "fathom_made")

        def __getattr__(self, name):
            if not hidden(self, "fathom_made"):
                if name in confirming or (name[:2] == "__" and name not in readable):
                    raise TypeError(describe(self) + " may not answer ." + name + " here")
            return ask("getattr", [self, name])

        def __setattr__(self, name, value):
            ask("setattr", [self, name, value])

        def __delattr__(self, name):
            ask("delattr", [self, name])

        def __call__(self, *args, **named):
            result = ask("call", [self, *args], named)
            if hidden(self, "fathom_kind") == "k" and hidden(self, "fathom_name")[:1].isupper() and type(result) is Remote:
                setup_hidden(result, "fathom_made", True)
            return result

        def __bool__(self):
            return ask("bool", [self]) is True if hidden(self, "fathom_made") else hidden(self, "fathom_truth")

        def __hash__(self):
            return hidden(self, "fathom_index")

        def __iter__(self):
            return ask("iter", [self])

        def __next__(self):
            return ask("next", [self])

        def __len__(self):
            return ask("len", [self])

        def __getitem__(self, key):
            return ask("getitem", [self, key])

        def __setitem__(self, key, value):
            ask("setitem", [self, key, value])

        def __delitem__(self, key):
            ask("delitem", [self, key])

        def __contains__(self, value):
            if hidden(self, "fathom_made"):
                return ask("contains", [self, value]) is True
            return any(value is item or value == item for item in self)

        def __str__(self):
            return str(ask("str", [self]))

        def __repr__(self):
            return str(ask("repr", [self]))

        def __format__(self, form):
            return format(str(self), form)

        def __instancecheck__(self, value):
            return ask("isinstance", [value, self]) is True

        def __subclasscheck__(self, value):
            return ask("issubclass", [value, self]) is True

        def __enter__(self):
            return ask("call", [ask("getattr", [self, "__enter__"])])

        def __exit__(self, *error):
            return ask("call", [ask("getattr", [self, "__exit__"]), None, None, None]) is True

    def describe(remote):
        return "an object of the program's class " + hidden(remote, "fathom_type")

    def may(self, other):
        return hidden(self, "fathom_made") or type(other) is Remote

    def binary(name, operation, reflected):
        def method(self, other):
            if not may(self, other):
                return False if operation == "eq" else True if operation == "ne" else NotImplemented
            return ask(operation, [other, self] if reflected else [self, other])
        setattr(Remote, name, method)

    for name in "lt le eq ne gt ge".split():
        binary("__" + name + "__", name, False)
    for name in "add sub mul truediv floordiv mod pow matmul divmod and or xor lshift rshift".split():
        operation = name + "_" if name in ("and", "or") else name
        binary("__" + name + "__", operation, False)
        binary("__r" + name + "__", operation, True)

    def unary(name):
        def method(self):
            if not hidden(self, "fathom_made"):
                raise TypeError(describe(self) + " is no number here")
            return ask(name, [self])
        setattr(Remote, "__" + name + "__", method)

    for name in "neg pos abs invert".split():
        unary(name)

    def encode_other(v):
        if type(v) is Remote:
            return ["h", hidden(v, "fathom_index")]
        if isinstance(v, type) and v in indices:
            return ["h", indices[v]]
        if callable(v):
            for index, function in enumerate(functions):
                if function is v:
                    return ["w", index]
            functions.append(v)
            return ["w", len(functions) - 1]
        raise TypeError("the tests pass an object of class " + type(v).__name__ + ", which cannot be sent to the program")

    def decode_other(j):
        if j[0] == "w":
            return functions[j[1]]
        if j[0] == "m":
            if j[1] not in sys.stdlib_module_names:
                raise TypeError("the program's module " + str(j[1]))
            return builtins.__import__(j[1])
        if j[0] != "h":
            raise TypeError("not a value: " + repr(j)[:200])
        index, kind, truth, name = int(j[1]), str(j[2]), j[3] is True, str(j[4])
        if kind == "e":
            local = exception_class([str(c) for c in j[5]])
            indices[local] = index
            return local
        if index not in remotes:
            remote = Remote.__new__(Remote)
            for field, value in (("index", index), ("kind", kind), ("truth", truth), ("type", name), ("name", ""), ("made", False)):
                setup_hidden(remote, "fathom_" + field, value)
            remotes[index] = remote
        return remotes[index]

    encode, decode = fathom_codec(encode_other, decode_other, type, Remote)

    def builtin_exception(name):
        found = getattr(builtins, str(name), None)
        return found if isinstance(found, type) and issubclass(found, Exception) else None

    def exception_class(names):
        # A class of the program's is rebuilt here, by name, on top of the builtin it comes from.
        if names[0] in raised:
            return raised[names[0]]
        found = builtin_exception(names[0])
        if found is not None or hasattr(builtins, names[0]):
            return found or RuntimeError
        raised[names[0]] = type(names[0], (exception_class(names[1:]),), {})
        return raised[names[0]]

    def error_of(mro, message):
        names = [str(name) for name in mro]
        try:
            local = exception_class(names)
            return RuntimeError(names[0] + ": " + str(message)) if local is RuntimeError and names[0] != "RuntimeError" else local(message)
        except TypeError:
            return RuntimeError(names[0] + ": " + str(message))

    def exchange(request):
        message = dict(request, to="program")
        while True:
            send(message)
            reply = receive()
            if "gone" in reply:
                raise RuntimeError(reply["gone"])
            if "callback" not in reply:
                break
            try:
                function = functions[reply["callback"]]
                value = function(*[decode(a) for a in reply["args"]], **decode(reply["named"]))
                message = {"return": encode(value), "to": "program"}
            except Exception as error:
                message = {"raise": [type(error).__name__, str(error)[:2000]], "to": "program"}
        if "error" in reply:
            raise error_of(reply["error"][0], reply["error"][1])
        return reply

    def ask(operation, args, named={}):
        used[0] = True
        reply = exchange({"do": operation, "args": [encode(a) for a in args], "named": encode(named)})
        for index, after in reply.get("changed", ()):
            mine, now = args[index], decode(after)
            if type(mine) is not type(now):
                continue
            if type(mine) is list or type(mine) is bytearray:
                mine[:] = now
            else:
                mine.clear()
                mine.update(now)
        return decode(reply["value"])

    def from_program(name):
        used[0] = True
        value = decode(exchange({"do": "name", "name": name})["value"])
        if type(value) is Remote:
            setup_hidden(value, "fathom_name", name)
        return value

    class Space(dict):
        def __missing__(self, name):
            if hasattr(builtins, name):
                raise KeyError(name)
            if name in modules:
                value = builtins.__import__(name)
            elif name in library:
                value = getattr(builtins.__import__(library[name][0]), name)
            else:
                value = from_program(name)
                if type(value) is not Remote:
                    return value
            self[name] = value
            return value

    def tell(message):
        message["to"] = "host"
        send(message)
        receive()

    def explain(error):
        text = str(error)
        return type(error).__name__ + (": " + text if text else "")

    job = receive()
    space = Space()
    space["__name__"] = "tests"
    space["__builtins__"] = builtins
    try:
        setup = compile(job["setup"], "setup", "exec")
        tests = [compile(test, "test " + str(i + 1), "exec") for i, test in enumerate(job["tests"])]
        if job["entryPoint"] is not None:
            try:
                space[job["entryPoint"]] = from_program(job["entryPoint"])
            except NameError:
                pass
    except BaseException as error:
        tell({"invalid": explain(error)[:2000]})
        return
    try:
        exec(setup, space)
    except BaseException as error:
        tell({"failed" if used[0] else "invalid": "setup: " + explain(error)[:2000]})
        return
    for index, test in enumerate(tests):
        message, memory = "", False
        try:
            exec(test, space)
        except BaseException as error:
            memory = isinstance(error, MemoryError)
            message = explain(error)[:2000]
            if isinstance(error, AssertionError) and message == "AssertionError":
                message = "AssertionError: " + job["tests"][index].strip()[:200]
        tell({"index": index, "passed": message == "", "message": message, "memory": memory})
    tell({"done": used[0]})


fathom_judge()
`;
