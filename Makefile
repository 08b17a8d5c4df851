# For people. CMake does the work; the presets are in CMakePresets.json.

.PHONY: help setup build demo test test-long bench fuzz asan tsan valgrind lint format clean

help:
	@echo 'make demo       installs what is missing, builds, shows what the sandbox does'
	@echo 'make test       the same set-up; builds; runs everything that fits 20 minutes'
	@echo 'make build      the release build: build/release/adk-sandbox'
	@echo 'make test-long  the second tier: soak tests, long fuzzing'
	@echo 'make bench      benchmarks, one JSON line a figure'
	@echo 'make fuzz       each fuzz target for a minute'
	@echo 'make asan | tsan | valgrind   the tests under that tool'
	@echo 'make lint       format, banned calls, lengths of functions'

setup:
	@scripts/setup

build: setup
	@scripts/build release

demo: build
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
