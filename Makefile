# SPDX-License-Identifier: Apache-2.0
# Short commands over meson.
#
#   make            build, in build/
#   make run        install what the build needs, build, and show the main job on a real package
#   make check      all tests and checks (tools/check)
#   make install    install below PREFIX (/usr/local), DESTDIR is honoured
#   make bench      measure against native and other tools (bench/run)
#   make format     clang-format all sources
#   make tidy       clang-tidy alone
BUILD = build
PREFIX = /usr/local

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@command -v meson >/dev/null || tools/setup build
	meson setup $(BUILD) --prefix=$(PREFIX)

setup:
	@tools/setup build run

run: setup all
	@tools/demo $(BUILD)/src/cli/isle

check:
	@tools/check

# An earlier build has a prefix already; one that is named here wins.
install: all
ifeq ($(origin PREFIX),command line)
	meson configure $(BUILD) --prefix=$(PREFIX)
endif
	meson install -C $(BUILD) --no-rebuild

bench: setup all
	@tools/setup bench
	@bench/run

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

tidy:
	@tools/check setup build lint

clean:
	rm -rf build build-check build-clang build-asan build-logs

.PHONY: all setup run check install bench format tidy clean
