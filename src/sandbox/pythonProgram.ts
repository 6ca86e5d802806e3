/**
 * Python that runs in the program's interpreter: it executes the program and answers questions about it. The program can break all of
 * this; then its answers are wrong, and it fails. Nothing that decides over a verdict is here.
 */
import { pythonCodec } from "./pythonCodec.js";

/** Executes the program as `__main__`, with standard input, and nothing else. */
export const pythonMain = `${pythonCodec}
def fathom_main():
    import builtins, sys
    receive, _ = fathom_channel()
    builtins.exit = builtins.quit = sys.exit
    program = receive()["program"]
    exec(compile(program, "program.py", "exec"), sys.modules["__main__"].__dict__)


fathom_main()
`;

/** Loads the program as a module and answers until nothing more is asked. */
export const pythonGuest = `${pythonCodec}
def fathom_guest():
    import builtins, sys, _operator
    receive, send = fathom_channel()
    builtins.exit = builtins.quit = sys.exit
    module = type(sys)("program")
    space = module.__dict__
    objects, places, wrappers = [], {}, {}

    def place(v):
        key = id(v)
        if key not in places:
            places[key] = len(objects)
            objects.append(v)
        return places[key]

    def encode_other(v):
        if id(v) in wrappers:
            return ["w", wrappers[id(v)]]
        kind = "o"
        extra = []
        if isinstance(v, type):
            kind = "e" if issubclass(v, BaseException) else "k"
            if kind == "e":
                extra = [[c.__name__ for c in v.__mro__]]
        elif isinstance(v, type(sys)):
            return ["m", v.__name__]
        elif callable(v):
            kind = "c"
        elif hasattr(v, "__next__"):
            kind = "n"
        try:
            truth = bool(v)
        except BaseException:
            truth = True
        return ["h", place(v), kind, truth, type(v).__name__, *extra]

    def decode_other(j):
        if j[0] == "h":
            return objects[j[1]]
        if j[0] == "w":
            number = j[1]

            def wrapper(*args, **named):
                return ask({"callback": number, "args": [encode(a) for a in args], "named": encode(named)})

            wrappers[id(wrapper)] = number
            objects.append(wrapper)
            return wrapper
        raise TypeError("internal: no value: " + repr(j))

    encode, decode = fathom_codec(encode_other, decode_other, object, None)

    def ask(message):
        send(message)
        while True:
            request = receive()
            if "return" in request:
                return decode(request["return"])
            if "raise" in request:
                raise getattr(builtins, request["raise"][0], RuntimeError)(request["raise"][1])
            answer(request)

    operations = {name: getattr(_operator, name) for name in (
        "lt le eq ne gt ge add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift neg pos abs invert"
        " getitem setitem delitem contains").split()}
    for operation in (getattr, setattr, delattr, iter, next, len, str, repr, bool, isinstance, issubclass, divmod):
        operations[operation.__name__] = operation
    operations["call"] = lambda target, *args, **named: target(*args, **named)

    def lookup(name):
        if name in space:
            return space[name]
        raise NameError("name '" + name + "' is not defined")

    def entry(name, *args):
        owner, _, method = name.partition(".")
        target = lookup(owner)
        return getattr(target(), method)(*args) if method else target(*args)

    mutable = ("l", "d", "s", "a")

    def perform(request):
        operation = request["do"]
        if operation == "load":
            sys.modules["program"] = module
            exec(compile(request["program"], "program.py", "exec"), space)
            return {"value": None}
        if operation == "name":
            return {"value": encode(lookup(request["name"]))}
        if operation == "entry":
            return {"value": encode(entry(request["name"], *[decode(a) for a in request["args"]]))}
        given = request["args"]
        args = [decode(a) for a in given]
        value = operations[operation](*args, **decode(request["named"]))
        reply = {"value": encode(value)}
        # The other side's lists, dicts and sets are copies: tell it what the program did to them.
        changed = []
        for index, before in enumerate(given):
            if type(before) is list and before[0] in mutable:
                after = encode(args[index])
                if after != before:
                    changed.append([index, after])
        if changed:
            reply["changed"] = changed
        return reply

    def answer(request):
        try:
            reply = perform(request)
        except BaseException as error:
            try:
                message = str(error)[:2000]
            except BaseException:
                message = ""
            reply = {"error": [[c.__name__ for c in type(error).__mro__], message]}
        send(reply)

    while True:
        answer(receive())


fathom_guest()
`;
