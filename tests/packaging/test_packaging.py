"""What `cmake --install` brings, used from where it was put as others use it: by CMake, by pkg-config, from C and C++.

The build tree is ADK_BUILD; its installed copy is moved once, so nothing can lean on where it was configured to be.
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ["ADK_BUILD"])
ENGINE = os.environ["ADK_ENGINE"]
ENGINE_INCLUDE = os.environ["ADK_ENGINE_INCLUDE"]
CC = os.environ["ADK_CC"]
CXX = os.environ.get("ADK_CXX", "")
LIBDIR = os.environ["ADK_LIBDIR"]
OTHER_ENGINE = ROOT / "build" / "programs" / "libwasmtime.so"
CONSUMER = HERE / "consumer"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
# What main.c prints.
RAN = ["exited 7", "trapped 0", "exited 0"]


def go(*command, **options):
    """Runs a command that must succeed, and returns what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ADK_SANDBOX", "DESTDIR"))}
    env.update(options.pop("env", {}))
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True, timeout=240,
                          check=False, **options)
    if done.returncode != 0:
        raise AssertionError("%s: %d\n%s%s" % (command, done.returncode, done.stdout, done.stderr))
    return done.stdout


def names_of_map():
    text = (ROOT / "src" / "adk-sandbox.map").read_text(encoding="utf-8")
    return {name: node for node, body in re.findall(r"^(ADK_SANDBOX_[0-9.]+) \{(.*?)^\}", text, re.S | re.M)
            for name in re.findall(r"^ +(adk_\w+);$", body, re.M)}


def names_of_headers():
    names = set()
    for header in (ROOT / "include" / "adk").glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.S)
        for declaration in re.findall(r"^ADK_API\b(.*?);", text, re.S | re.M):
            names.add(re.search(r"\b(adk_\w+)\s*\(", re.sub(r"ADK_\w+(\([^)]*\))?", "", declaration)).group(1))
    return names


def files_below(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir())


class Packaging(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        work = tempfile.TemporaryDirectory(prefix="adk-packaging-")
        cls.addClassCleanup(work.cleanup)
        cls.work = pathlib.Path(work.name)
        first = cls.work / "first"
        go("cmake", "--install", BUILD, "--prefix", first)
        cls.installed = files_below(first)
        cls.prefix = cls.work / "a prefix"
        first.rename(cls.prefix)
        cls.lib = cls.prefix / LIBDIR
        cls.shared = cls.lib / "libadk_sandbox.so"
        cls.static = cls.lib / "libadk_sandbox.a"
        cls.worker = cls.prefix / "libexec" / "adk-sandbox" / "adk-worker"
        cls.pc = {"PKG_CONFIG_PATH": str(cls.lib / "pkgconfig")}

    def pkg_config(self, *arguments):
        return shlex.split(go("pkg-config", *arguments, "adk-sandbox", env=self.pc))

    def check_main(self, program, *arguments, **env):
        lines = go(program, *arguments, env=env).splitlines()
        self.assertEqual(lines[0].split()[1], "same")
        self.assertEqual(lines[1:], RAN)

    # ---- what is there

    def test_what_is_installed(self):
        wanted = {"bin/adk-sandbox", "libexec/adk-sandbox/adk-worker", "include/adk/sandbox.h",
                  "share/adk-sandbox/report.schema.json", LIBDIR + "/libadk_sandbox.so",
                  LIBDIR + "/libadk_sandbox.so.0", LIBDIR + "/libadk_sandbox.a", LIBDIR + "/pkgconfig/adk-sandbox.pc",
                  LIBDIR + "/cmake/adk-sandbox/adk-sandbox-config.cmake", "share/man/man1/adk-sandbox.1",
                  "share/man/man3/adk_sandbox.3", "share/man/man3/adk_backend_execute.3",
                  "share/bash-completion/completions/adk-sandbox", "share/zsh/site-functions/_adk-sandbox",
                  "share/fish/vendor_completions.d/adk-sandbox.fish", "share/doc/adk-sandbox/README.md",
                  "share/doc/adk-sandbox/docs/guide.md", "share/doc/adk-sandbox/examples/minimal.c",
                  "share/doc/adk-sandbox/examples/hello.wat"}
        self.assertEqual(wanted - set(self.installed), set())
        headers = {"include/adk/" + path.name for path in (ROOT / "include" / "adk").glob("*.h")}
        self.assertEqual({name for name in self.installed if name.startswith("include/")}, headers)

    def test_again_and_elsewhere(self):
        again = self.work / "again"
        for _ in range(2):
            go("cmake", "--install", BUILD, "--prefix", again)
        self.assertEqual(files_below(again), self.installed)
        shutil.rmtree(again)
        staged = self.work / "staged"
        go("cmake", "--install", BUILD, "--prefix", "/opt/adk", env={"DESTDIR": str(staged)})
        self.assertEqual(files_below(staged / "opt" / "adk"), self.installed)
        self.assertEqual(os.listdir(staged), ["opt"])
        shutil.rmtree(staged)

    def test_nothing_names_the_build(self):
        """But for what debuggers are told, and an engine that was brought along: who built it knows what it says."""
        for name in self.installed:
            content = (self.prefix / name).read_bytes()
            ours = [str(ROOT / part).encode() + b"/" for part in ("include", "src", "cmake")]
            if not content.startswith((b"\x7fELF", b"!<arch>")):
                ours.append(str(BUILD).encode())
            elif os.environ.get("ADK_BUILD_TYPE") != "Release":
                continue
            elif pathlib.Path(ENGINE).is_relative_to(BUILD.parent):
                ours += [str(pathlib.Path(ENGINE).parent).encode(), b".cargo/registry",
                         str(pathlib.Path.home() / ".cargo").encode()]
            self.assertEqual([part for part in ours if part in content], [], name)

    def test_the_command(self):
        command = self.prefix / "bin" / "adk-sandbox"
        self.assertEqual(go(command, "run", ROOT / "examples" / "guests" / "hello.wat"), "hello world\n")
        self.assertIn("\n  ok       compiling", go(command, "doctor"))

    def test_deb(self):
        if not shutil.which("dpkg-deb") or os.environ.get("ADK_BUILD_TYPE") != "Release":
            self.skipTest("packages for Debian are made of release builds, with dpkg-deb")
        made = self.work / "deb"
        go("cpack", "-G", "DEB", "-B", made, "--config", BUILD / "CPackConfig.cmake")
        package, = made.glob("*.deb")
        depends = go("dpkg-deb", "--field", package, "Depends")
        for name in ("libarchive13", "libc6", "libjansson4", "libsodium23", "libseccomp2"):
            self.assertRegex(depends, r"(^|, )%s( \(>= [^)]+\))?(,|$)" % name)
        go("dpkg-deb", "--extract", package, made / "root")
        self.assertEqual(files_below(made / "root" / "usr"), self.installed)
        self.assertIn("exited", go(made / "root" / "usr" / "bin" / "adk-sandbox", "run", "--json", "-c",
                                   '(module (func (export "_start")))'))

    # ---- what is exported

    def test_map_and_headers(self):
        missing = names_of_headers() - set(names_of_map())
        self.assertEqual(missing, set(), "declared in a header: add them to the newest node of src/adk-sandbox.map")
        self.assertEqual(set(names_of_map()) - names_of_headers(), set(), "in src/adk-sandbox.map and in no header")

    def test_shared_exports(self):
        lines = [line.split()[-1] for line in go("nm", "-D", "--defined-only", self.shared).splitlines()]
        nodes = set(names_of_map().values())
        self.assertEqual(set(lines), {"%s@@%s" % item for item in names_of_map().items()} | nodes)
        dynamic = go("readelf", "-dW", self.shared)
        self.assertIn("soname: [libadk_sandbox.so.0]", dynamic)
        self.assertRegex(dynamic, r"FLAGS_1.*NODELETE")
        self.assertNotRegex(dynamic, r"RPATH|RUNPATH")

    def test_static_exports(self):
        lines = go("nm", "-g", "--defined-only", self.static).splitlines()
        self.assertEqual({line.split()[-1] for line in lines if len(line.split()) == 3}, set(names_of_map()))

    # ---- who uses it

    def test_cmake(self):
        if not CXX:
            self.skipTest("no C++ compiler (Debian: g++)")
        build = self.work / "consumer"
        go("cmake", "-S", CONSUMER, "-B", build, "-DCMAKE_PREFIX_PATH=%s" % self.prefix, "-DCMAKE_C_COMPILER=" + CC,
           "-DCMAKE_CXX_COMPILER=" + CXX, "-DCMAKE_BUILD_TYPE=Release")
        go("cmake", "--build", build)
        self.check_main(build / "c_shared")
        self.check_main(build / "c_static", self.worker)
        self.assertEqual(go(build / "cxx_shared"), "integer_division_by_zero\nrefused\n")
        self.assertEqual(go(build / "cxx_static", self.worker), "integer_division_by_zero\nrefused\n")
        worker, schema, version = (build / "found").read_text(encoding="utf-8").splitlines()
        self.assertEqual([worker, schema], [str(self.worker), str(self.prefix / "share/adk-sandbox/report.schema.json")])
        self.assertEqual([version], self.pkg_config("--modversion"))

    def test_cmake_refuses_another_version(self):
        project = self.work / "future"
        project.mkdir()
        (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(p LANGUAGES C)\n"
                                                "find_package(adk-sandbox 0.2 REQUIRED)\n", encoding="utf-8")
        with self.assertRaisesRegex(AssertionError, "compatible with\\s+requested version"):
            go("cmake", "-S", project, "-B", project / "build", "-DCMAKE_PREFIX_PATH=%s" % self.prefix)

    def test_pkg_config_shared(self):
        program = self.work / "pc_shared"
        go(CC, "-std=c17", *STRICT, "-o", program, CONSUMER / "main.c", *self.pkg_config("--cflags", "--libs"))
        needed = go("readelf", "-dW", program)
        self.assertIn("[libadk_sandbox.so.0]", needed)
        self.assertNotIn("libjansson", needed)
        self.check_main(program, LD_LIBRARY_PATH=str(self.lib))

    def test_pkg_config_static(self):
        program = self.work / "pc_static"
        words = [":libadk_sandbox.a".join(word.split("adk_sandbox")) if word == "-ladk_sandbox" else word
                 for word in self.pkg_config("--static", "--cflags", "--libs")]
        go(CC, "-std=c17", *STRICT, "-o", program, CONSUMER / "main.c", *words)
        self.assertNotIn("libadk_sandbox", go("readelf", "-dW", program))
        self.check_main(program, self.pkg_config("--variable=worker")[0])

    def test_every_name_of_the_engine_taken(self):
        """A program that has all the engine's names itself, each a function that dies, and lets others see them."""
        names = set(re.findall(r"^[0-9a-f]+ [TDBRVWu] ((?:wasm|adk_engine|_R|_ZN|rust|__rust)[\w.$]*)$",
                               go("nm", "--plugin=", "--defined-only", ENGINE), re.M))
        self.assertLessEqual({"wasm_engine_new", "wasmtime_store_new", "wasmtime_wat2wasm", "rust_eh_personality"}, names)
        self.assertGreater(len(names), 1000)
        taken = self.work / "taken.s"
        taken.write_text(".text\n" + "".join('.globl "%s"\n"%s":\n' % (name, name) for name in sorted(names)) +
                         "\t.byte 0, 0, 0, 0\n.section .note.GNU-stack,\"\",%progbits\n", encoding="utf-8")
        main = [CC, "-std=c17", "-rdynamic", "-I", self.prefix / "include", CONSUMER / "main.c", taken]
        go(*main, "-o", self.work / "taken_static", self.static, *self.pkg_config("--static", "--libs-only-l")[1:])
        self.check_main(self.work / "taken_static", self.worker)
        go(*main, "-o", self.work / "taken_shared", self.shared)
        self.check_main(self.work / "taken_shared", LD_LIBRARY_PATH=str(self.lib))

    def engines(self, *more):
        program = self.work / "engines"
        go(CC, "-std=gnu17", "-I", self.prefix / "include", "-o", program, CONSUMER / "engines.c", *more, self.static,
           *self.pkg_config("--static", "--libs-only-l")[1:])
        self.assertEqual(go(program, self.shared.resolve()), "fine\n")

    def test_two_engines(self):
        self.engines()

    def test_three_engines(self):
        if not OTHER_ENGINE.exists():
            self.skipTest("libwasmtime.so is not there: scripts/fetch-programs brings it")
        self.engines("-DOTHER", "-isystem", ENGINE_INCLUDE, OTHER_ENGINE, "-Wl,-rpath,%s" % OTHER_ENGINE.parent)


if __name__ == "__main__":
    unittest.main()
