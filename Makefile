# For people. CMake does the work; the presets are in CMakePresets.json.

PREFIX = /usr/local

.PHONY: help setup build install deb demo test test-long bench fuzz asan tsan valgrind lint format clean

help:
	@echo 'make demo       installs what is missing, builds, shows what the sandbox does'
	@echo 'make test       the same set-up; builds; runs everything that fits 20 minutes'
	@echo 'make build      the release build: build/release/adk-sandbox'
	@echo 'make install    the release build below PREFIX (/usr/local); DESTDIR is honoured'
	@echo 'make deb        the same as a package for Debian, in build/release'
	@echo 'make test-long  the second tier: soak tests, long fuzzing'
	@echo 'make bench      benchmarks, one JSON line a figure'
	@echo 'make fuzz       each fuzz target for a minute'
	@echo 'make asan | tsan | valgrind   the tests under that tool'
	@echo 'make lint       format, banned calls, lengths of functions'

setup:
	@scripts/setup

build: setup
	@scripts/build release

# The prefix is compiled in: it is where the static library looks for the helper program.
install: setup
	@PREFIX="$(PREFIX)" scripts/build release
	@DESTDIR="$(DESTDIR)" cmake --install build/release

deb: setup
	@PREFIX=/usr scripts/build release
	@cd build/release && cpack -G DEB

demo: setup
	@TARGETS='adk-sandbox adk-worker' scripts/build release
	@scripts/demo build/release/adk-sandbox

test: setup
	@scripts/test

test-long: setup
	@scripts/test-long

bench: build
	@scripts/bench

fuzz: setup
	@scripts/fuzz 60

asan tsan valgrind: setup
	@scripts/build $@
	@ctest --preset $@

lint:
	@scripts/lint

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build
