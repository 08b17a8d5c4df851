/*
 * Runs one program: what the interpreter is started with.
 *
 * The host stops it where it opens /.adk/run, once it is warm, and lets it go on in a fork for each run; or that file is there
 * from the beginning. The program is in that file; in /.adk/words are, each with a NUL behind it, the seed of Math.random()
 * (its own was made before the fork), marks, the number of the program's arguments, those, and its environment.
 *
 * Where the marks have an `s`, that program is the first of a session: each is a script that begins where the one before has
 * ended, in the same global scope, and has ended when nothing is left to be waited for. The host is told the exit status by
 * the name under which the file is opened again, and that returns with the next program. An `n` says that this process is a
 * new one, whose random numbers must be its own.
 */
(function (std, os, print) {
    "use strict";

    const directory = "/.adk";
    const SIMPLE_LENGTH = 10000;
    const TIMERS = os.setTimeout(() => undefined, 0); /* the last that we made */
    os.clearTimeout(TIMERS);
    const WAITING = ["this", "globalThis", "Reflect", "Registry", "sync", "then", "Promise", "Microtask", "Timeout", "Interval", "Handler", "signal", "Worker", "Script",
        "import", "eval", "Function", "constructor", "\\"];

    function read(name) {
        const file = std.open(directory + "/" + name, "rb");
        const text = file.readAsString();
        file.close();
        return text;
    }

    function readWords() {
        const [seed, marks, count, ...rest] = read("words").split("\0").slice(0, -1);
        return {seed, marks, args: rest.slice(0, Number(count)), environment: rest.slice(Number(count))};
    }

    function exists(path) {
        return os.stat(path)[1] === 0;
    }

    /* ---- showing values, roughly as other engines do --------------------------------------------------------------- */

    const WIDTH = 72;
    const DEPTH = 4;
    const ITEMS = 100;

    function quote(text) {
        const shown = JSON.stringify(text).slice(1, -1).replace(/\\"/g, '"');
        return "'" + shown.replace(/'/g, "\\'") + "'";
    }

    function showKey(key) {
        if (typeof key === "symbol")
            return "[" + String(key) + "]";
        return /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key);
    }

    function showFunction(f) {
        const kind = /^class\b/.test(Function.prototype.toString.call(f)) ? "class" : "Function";
        return "[" + kind + (kind === "class" ? " " : ": ") + (f.name || "(anonymous)") + "]";
    }

    function showError(error) {
        const head = String(error);
        const stack = typeof error.stack === "string" ? trim(error.stack) : "";
        return head + (stack === "" ? "" : "\n" + stack);
    }

    function join(open, parts, close) {
        if (parts.length === 0)
            return open + close;
        const line = parts.join(", ");
        if (line.length + open.length <= WIDTH && !line.includes("\n"))
            return open + " " + line + " " + close;
        return open + "\n  " + parts.map((part) => part.replace(/\n/g, "\n  ")).join(",\n  ") + "\n" + close;
    }

    function prefixOf(value, plain) {
        const prototype = Object.getPrototypeOf(value);
        if (prototype === null)
            return "[" + plain + ": null prototype] ";
        const maker = prototype.constructor;
        const name = typeof maker === "function" ? maker.name : "";
        return name === plain || name === "" ? "" : name + " ";
    }

    function showProperties(value, show, skipIndices) {
        const parts = [];
        for (const key of Reflect.ownKeys(value)) {
            const property = Object.getOwnPropertyDescriptor(value, key);
            if (!property.enumerable || (skipIndices && /^\d+$/.test(String(key))))
                continue;
            const shown = property.get ? (property.set ? "[Getter/Setter]" : "[Getter]")
                : property.set ? "[Setter]" : show(property.value);
            parts.push(showKey(key) + ": " + shown);
        }
        return parts;
    }

    function some(list, show) {
        const parts = [];
        for (let i = 0; i < list.length && i < ITEMS; i++)
            parts.push(i in list ? show(list[i]) : "<empty>");
        if (list.length > ITEMS)
            parts.push("... " + (list.length - ITEMS) + " more");
        return parts;
    }

    function showObject(value, seen, depth) {
        const show = (part) => inspect(part, seen, depth + 1);
        const count = (size) => "(" + size + ") ";
        if (Array.isArray(value))
            return join((depth > DEPTH ? "" : prefixOf(value, "Array")) + "[",
                        depth > DEPTH ? ["Array"] : some(value, show).concat(showProperties(value, show, true)), "]");
        if (depth > DEPTH)
            return "[Object]";
        if (value instanceof Map)
            return join("Map" + count(value.size) + "{", some([...value], (pair) => show(pair[0]) + " => " + show(pair[1])), "}");
        if (value instanceof Set)
            return join("Set" + count(value.size) + "{", some([...value], show), "}");
        if (ArrayBuffer.isView(value) && !(value instanceof DataView))
            return join(prefixOf(value, "").trimEnd() + count(value.length) + "[", some(value, show), "]");
        if (value instanceof Promise)
            return "Promise {}";
        return join(prefixOf(value, "Object") + "{", showProperties(value, show, false), "}");
    }

    function inspect(value, seen, depth) {
        if (typeof value === "string")
            return quote(value);
        if (typeof value === "bigint")
            return value + "n";
        if (Object.is(value, -0))
            return "-0";
        if (typeof value === "function")
            return showFunction(value);
        if (typeof value !== "object" || value === null)
            return String(value);
        if (seen.includes(value))
            return "[Circular]";
        if (value instanceof Error)
            return showError(value);
        if (value instanceof Date)
            return isNaN(value) ? "Invalid Date" : value.toISOString();
        if (value instanceof RegExp)
            return String(value);
        if (value instanceof Number || value instanceof String || value instanceof Boolean)
            return "[" + value.constructor.name + ": " + inspect(value.valueOf(), seen, depth) + "]";
        return showObject(value, seen.concat([value]), depth);
    }

    function show(value) {
        return typeof value === "string" ? value : inspect(value, [], 0);
    }

    function format(values) {
        let at = 0;
        let text = "";
        if (typeof values[0] === "string" && values.length > 1) {
            at = 1;
            text = values[0].replace(/%[sdifjoOc%]/g, (mark) => {
                if (mark === "%%")
                    return "%";
                if (at >= values.length)
                    return mark;
                const value = values[at++];
                switch (mark) {
                case "%s": return typeof value === "object" && value !== null ? inspect(value, [], 0) : String(value);
                case "%d": return String(Number(value));
                case "%i": return String(parseInt(value, 10));
                case "%f": return String(parseFloat(value));
                case "%j": return JSON.stringify(value);
                case "%c": return "";
                default: return inspect(value, [], 0);
                }
            });
        }
        const rest = Array.prototype.slice.call(values, at).map(show);
        return (at > 0 ? [text] : []).concat(rest).join(" ");
    }

    /* ---- what programs expect to be there -------------------------------------------------------------------------- */

    function makeConsole() {
        const counts = new Map();
        const timers = new Map();
        let indent = "";
        const put = (text) => print(indent === "" ? text : indent + text.replace(/\n/g, "\n" + indent));
        const complain = (text) => {
            std.out.flush();
            std.err.puts((indent === "" ? text : indent + text.replace(/\n/g, "\n" + indent)) + "\n");
            std.err.flush();
        };
        const out = (...values) => put(format(values));
        const err = (...values) => complain(format(values));
        const took = (label) => label + ": " + (performance.now() - timers.get(label)).toFixed(3) + "ms";
        return {
            log: out, info: out, debug: out, error: err, warn: err,
            dir: (value) => put(inspect(value, [], 0)),
            table: (value) => put(inspect(value, [], 0)),
            trace: (...values) => complain(("Trace: " + format(values)).trimEnd() + "\n" + trim(new Error().stack)),
            assert: (truth, ...values) => {
                if (!truth)
                    complain("Assertion failed" + (values.length > 0 ? ": " + format(values) : ""));
            },
            count: (label = "default") => {
                counts.set(label, (counts.get(label) || 0) + 1);
                put(label + ": " + counts.get(label));
            },
            countReset: (label = "default") => void counts.delete(label),
            time: (label = "default") => void timers.set(label, performance.now()),
            timeLog: (label = "default") => timers.has(label) && put(took(label)),
            timeEnd: (label = "default") => {
                if (timers.has(label))
                    put(took(label));
                timers.delete(label);
            },
            group: (...values) => {
                if (values.length > 0)
                    out(...values);
                indent += "  ";
            },
            groupEnd: () => { indent = indent.slice(2); },
        };
    }

    /* xoshiro128**, by Blackman and Vigna: the engine's own generator is the same in every fork. */
    function makeRandom(seed) {
        const s = [0, 8, 16, 24].map((at) => parseInt(seed.slice(at, at + 8), 16) | 0);
        const rotate = (x, k) => (x << k) | (x >>> (32 - k));
        function next() {
            const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9);
            const t = s[1] << 9;
            s[2] ^= s[0];
            s[3] ^= s[1];
            s[1] ^= s[2];
            s[0] ^= s[3];
            s[2] ^= t;
            s[3] = rotate(s[3], 11);
            return result >>> 0;
        }
        return function random() {
            return ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
        };
    }

    function define(target, values) {
        for (const name of Object.keys(values))
            Object.defineProperty(target, name, {value: values[name], writable: true, enumerable: false, configurable: true});
    }

    /* What the interpreter was warmed with, or the call before had. */
    function clearEnvironment() {
        for (const name of Object.keys(std.getenviron()))
            std.unsetenv(name);
    }

    function setEnvironment(environment) {
        for (const word of environment) {
            const at = word.indexOf("=");
            std.setenv(word.slice(0, at), word.slice(at + 1));
        }
    }

    function setTimers(timers) {
        define(globalThis, {
            setTimeout: timers.setTimeout, clearTimeout: timers.clearTimeout, setInterval: timers.setInterval,
            clearInterval: timers.clearInterval,
        });
    }

    /* What is the same for all programs. `std.exit` is to leave nothing of ours behind. */
    function setPlace() {
        clearEnvironment();
        define(globalThis, {console: makeConsole()});
        setTimers(os);
        delete globalThis.execArgv;
        delete globalThis.argv0;
        globalThis.std = Object.assign({}, std, {
            exit: (code) => {
                leave();
                std.exit(code);
            },
        });
    }

    /* ---- running --------------------------------------------------------------------------------------------------- */

    /* The trace of an error, without what lies below the program. */
    function trim(stack) {
        const lines = stack.split("\n");
        const end = lines.findIndex((line) => /\(native\)$/.test(line) && /\bat loadScript /.test(line) ||
                                              line.includes("(/.adk/driver.js:"));
        return (end < 0 ? lines : lines.slice(0, end)).join("\n").trimEnd();
    }

    function complain(text) {
        std.out.flush();
        std.err.puts(text + "\n");
        std.err.flush();
    }

    function tell(error) {
        let text = "";
        try {
            text = error instanceof Error ? showError(error) : "Uncaught " + inspect(error, [], 0);
        } catch (other) {
            text = "Uncaught error";
        }
        complain(text);
    }

    function fail(error) {
        tell(error);
        std.exit(1);
    }

    /* A module where it says so by its name, or where it is no script but may be a module. */
    function isModule(name, text) {
        if (/\.mjs$|\.mts$/i.test(name))
            return true;
        if (/\.cjs$|\.cts$/i.test(name) || !["import", "export", "await"].some((word) => text.includes(word)))
            return false;
        try {
            std.evalScript(text, {compile_only: true});
            return false;
        } catch (error) {
            return error instanceof SyntaxError;
        }
    }

    function shownName(name) {
        return name === "" || name === "-" || name === "-c" || name.includes("/") ? "<script>" : name;
    }

    /* The program becomes a file of its name: errors name it, and it finds what lies beside it. Also what must go with it. */
    function place(name, text, changed) {
        const path = shownName(name);
        if (!exists(path) && !changed && os.rename(directory + "/run", path) === 0)
            return [path, [path]];
        os.remove(directory + "/run");
        if (!exists(path)) {
            std.writeFile(path, text);
            return [path, [path]];
        }
        if (!changed && std.loadFile(path) === text)
            return [path, []];
        std.writeFile(directory + "/" + path, text);
        return [directory + "/" + path, [directory + "/" + path, directory]];
    }

    function tidy() {
        os.remove(directory + "/run");
        os.remove(directory + "/words");
        os.remove(directory);
    }

    function start(path, asModule) {
        if (asModule) {
            import(path).then(leave, (error) => {
                leave();
                fail(error);
            });
            return;
        }
        try {
            define(globalThis, {__adk_start: std.loadScript.bind(std, path)});
            const text = "{ const start = globalThis.__adk_start; delete globalThis.__adk_start; start(); }";
            std.evalScript(text, {backtrace_barrier: true});
        } catch (error) {
            leave();
            fail(error);
        }
        leave();
    }

    /*
     * The interpreter's own end frees every object, which takes longer than most programs. A script without a word of what it
     * could wait for, nor for getting at it by another name, has ended where it ends. Timers are numbered: had it made one in
     * spite of that, the next number would tell.
     */
    function isSimple(text) {
        return text.length <= SIMPLE_LENGTH && !WAITING.some((word) => text.includes(word));
    }

    /* After the program, which may have replaced what everybody uses. */
    function hasNoTimer() {
        const next = os.setTimeout(() => undefined, 0);
        os.clearTimeout(next);
        return next === TIMERS + 1;
    }

    /* ---- TypeScript ------------------------------------------------------------------------------------------------ */

    /* Stands for the packages that the library asks for and that stripping types does not need. */
    const nothing = new Proxy(function () {}, {
        get: (target, key) => key === "prototype" ? target.prototype : nothing,
        apply: () => nothing,
    });

    function resolve(base, name, factories) {
        const parts = base.split("/").slice(0, -1);
        for (const part of name.split("/")) {
            if (part === "..")
                parts.pop();
            else if (part !== ".")
                parts.push(part);
        }
        const path = parts.join("/");
        return factories.has(path + ".js") ? path + ".js" : path + "/index.js";
    }

    /* The library's modules, in one file: define(name, function (exports, require, module) {...}) for each. */
    function loadLibrary(path) {
        const factories = new Map();
        const loaded = new Map();
        function load(name) {
            if (!loaded.has(name)) {
                const module = {exports: {}};
                loaded.set(name, module);
                const require = (other) => other.startsWith(".") ? load(resolve(name, other, factories)) : nothing;
                factories.get(name).call(undefined, module.exports, require, module);
            }
            return loaded.get(name).exports;
        }
        define(globalThis, {define: (name, factory) => void factories.set(name, factory)});
        std.loadScript(path);
        delete globalThis.define;
        return load("index.js").transform;
    }

    /* Types go, lines stay where they are. Undefined where that cannot be, which has been said then. */
    function strip(transform, text, name) {
        try {
            return transform(text, {transforms: ["typescript"], disableESTransforms: true}).code;
        } catch (error) {
            const at = /^(?:sucrase: )?([^]*?) \((\d+):(\d+)\)$/.exec(error.message);
            if (at === null && !(error instanceof RangeError))
                tell(error);
            else if (at === null)
                complain("RangeError: the code is nested too deep for its types to be stripped\n    at " + name);
            else
                complain("SyntaxError: " + at[1] + "\n    at " + name + ":" + at[2] + ":" + at[3]);
            return undefined;
        }
    }

    /* ---- sessions -------------------------------------------------------------------------------------------------- */

    /* The timers that are set, so that a call waits for them; what they throw is told as it is elsewhere. */
    function makeTimers() {
        const active = new Set();
        let failed = false;
        let settle = () => undefined;
        function ended(id) {
            active.delete(id);
            if (active.size === 0)
                settle();
        }
        function guarded(f, args) {
            try {
                f(...args);
            } catch (error) {
                tell(error);
                failed = true;
            }
        }
        function clear(id) {
            os.clearTimeout(id);
            ended(id);
        }
        return {
            setTimeout: (f, delay, ...args) => {
                const id = os.setTimeout(() => {
                    guarded(f, args);
                    ended(id);
                }, delay);
                active.add(id);
                return id;
            },
            setInterval: (f, delay, ...args) => {
                const id = os.setInterval(() => guarded(f, args), delay);
                active.add(id);
                return id;
            },
            clearTimeout: clear,
            clearInterval: clear,
            /* Until there is nothing more to come: jobs of promises run before a timer does. Whether one has failed. */
            wait: async () => {
                do {
                    await new Promise((resolve) => os.setTimeout(resolve, 0));
                    if (active.size > 0)
                        await new Promise((resolve) => { settle = resolve; });
                } while (active.size > 0);
                const hasFailed = failed;
                failed = false;
                return hasFailed;
            },
        };
    }

    /* A script's own names stay; its errors bear the name that it was given. */
    async function evaluate(text, name) {
        try {
            await std.evalScript(text, {async: true, backtrace_barrier: true});
            return 0;
        } catch (error) {
            if (error instanceof Error && typeof error.stack === "string")
                error.stack = error.stack.replace(/<evalScript>/g, name);
            tell(error);
            return 1;
        }
    }

    /* One program of a session; gives its exit status. */
    async function call(count, source, timers) {
        const {seed, marks, args, environment} = count === 1 ? first : readWords();
        if (count === 1) {
            setTimers(timers);
            globalThis.os = Object.assign({}, os, timers);
            delete globalThis.os.wait;
        }
        if (marks.includes("n"))
            define(Math, {random: makeRandom(seed)});
        clearEnvironment();
        setEnvironment(environment);
        define(globalThis, {scriptArgs: args});
        std.in.flush(); /* what was left of another input */
        std.in.clearerr();
        tidy();
        const given = shownName(args.length > 0 ? args[0] : "");
        const name = given === "<script>" ? "<script " + count + ">" : given;
        const text = transform === null ? source : strip(transform, source, name);
        let status = text === undefined ? 1 : await evaluate(text, name);
        if (await timers.wait())
            status = status || 1;
        std.out.flush();
        std.err.flush();
        return status;
    }

    async function keepSession(source) {
        const timers = makeTimers();
        let status = await call(1, source, timers);
        for (let count = 2;; count++) {
            const next = read("run/" + status);
            status = await call(count, next, timers);
        }
    }

    const library = directory + "/library.js";
    const transform = exists(library) ? loadLibrary(library) : null;
    let leave = () => undefined;
    os.remove(directory + "/driver.js");
    os.remove(library);
    setPlace();
    if (!exists(directory + "/run")) {
        /* What each run would do for the first time is done here once, and no collection is due soon in any of them. */
        if (transform !== null)
            strip(transform, "const warm: number[] = [1].map((x): number => x + 1);", "warm.ts");
        std.gc();
    }
    const source = read("run");
    const first = readWords();
    os.remove(directory + "/words");
    if (first.marks.includes("s")) {
        keepSession(source);
        return;
    }
    const {seed, args, environment} = first;
    define(Math, {random: makeRandom(seed)});
    define(globalThis, {scriptArgs: args});
    setEnvironment(environment);
    const name = args.length > 0 ? args[0] : "";
    const text = transform === null ? source : strip(transform, source, shownName(name));
    if (text === undefined)
        std.exit(1);
    const asModule = isModule(name, text);
    const [path, ours] = place(name, text, transform !== null);
    const ends = !asModule && isSimple(text);
    os.remove(directory);
    leave = () => {
        for (let i = 0; i < ours.length; i++)
            os.remove(ours[i]);
    };
    start(path, asModule);
    if (ends && hasNoTimer())
        std.exit(0);
})(globalThis.std, globalThis.os, globalThis.print);
