# The one Makefile of the suite. `make help` lists the targets from their comments.
#
# A service is a folder services/<name> with main.c: its sources are found, no line is needed here.
# Beside the common libraries it links what services/<name>/pkgs names (pkg-config modules).
# All output goes to build/: generated code to build/gen, the rest to build/<variant>.
#
#   SAN=address,undefined   builds with these sanitizers in a folder of its own (tests default to it)

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

SAN ?=
CC = gcc
comma := ,
VARIANT := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),release)
B := build/$(VARIANT)
GEN := build/gen
TEST_SAN ?= address,undefined

PKGS := libzmq libczmq libuv libpq libprotobuf-c libcrypto jansson libutf8proc
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lcsv -lpthread

WARN := -Wall -Wextra -Wshadow -Wformat=2 -Wvla -Wmissing-prototypes -Wstrict-prototypes \
	-Wswitch-enum -Wno-format-nonliteral -Wno-format-truncation -Werror
WARN_GEN := -w
CFLAGS_ALL = -std=gnu11 -g -fno-omit-frame-pointer -fPIE -I. -I$(GEN) $(PKG_CFLAGS) -MMD -MP \
	-ffile-prefix-map=$(CURDIR)=. -D_GNU_SOURCE
ifeq ($(SAN),)
CFLAGS_ALL += -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now
else
CFLAGS_ALL += -O1 -fsanitize=$(SAN) -fno-sanitize-recover=all -DLGSP_CRASH_POINTS
LDFLAGS_ALL = -pie -fsanitize=$(SAN)
endif

# --- contracts ---

PROTOS := $(shell find proto -name '*.proto' | sort)
PB_C := $(patsubst proto/%.proto,$(GEN)/%.pb-c.c,$(PROTOS))
PB_H := $(PB_C:.c=.h)
PB_O := $(patsubst $(GEN)/%.c,$(B)/gen/%.o,$(PB_C))

# protobuf-c's options are put in here, so that the published .proto files stay plain.
PB_OPTIONS = s|^package lgsp\.([a-z]+)\.v1;|&\nimport "protobuf-c/protobuf-c.proto";\noption (pb_c_file).c_package = "\1";\noption (pb_c_file).const_strings = true;|
$(GEN)/proto/%.proto: proto/%.proto
	@mkdir -p $(@D)
	@sed -E '$(PB_OPTIONS)' $< > $@

$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h &: $(GEN)/proto/%.proto | $(patsubst proto/%,$(GEN)/proto/%,$(PROTOS))
	@mkdir -p $(@D)
	@echo "  PROTO  $*.proto"
	@protoc -I$(GEN)/proto -I/usr/include --c_out=$(GEN) $<

# Messages of the tests: in the same place for the generator, but in no library.
TEST_PROTOS := $(patsubst tests/%,%,$(shell find tests/proto -name '*.proto' 2>/dev/null | sort))
TEST_PB_C := $(patsubst proto/%.proto,$(GEN)/%.pb-c.c,$(TEST_PROTOS))
TEST_PB_O := $(patsubst $(GEN)/%.c,$(B)/gen/%.o,$(TEST_PB_C))
define test_proto_rules
$(GEN)/$(1): tests/$(1)
	@mkdir -p $$(@D)
	@sed -E '$$(PB_OPTIONS)' $$< > $$@
endef
$(foreach p,$(TEST_PROTOS),$(eval $(call test_proto_rules,$(p))))

# --- sources ---

COMMON_C := $(shell find common -name '*.c' | sort)
COMMON_O := $(patsubst %.c,$(B)/%.o,$(COMMON_C))
SERVICES := $(patsubst services/%/main.c,%,$(wildcard services/*/main.c))
RPC_C := $(sort $(wildcard services/*/rpc.c))
RPC_O := $(patsubst %.c,$(B)/%.o,$(RPC_C))
REGISTRY_C := $(GEN)/rpc_registry.c $(GEN)/event_registry.c
REGISTRY_O := $(B)/gen/rpc_registry.o $(B)/gen/event_registry.o
LIB := $(B)/liblgsp.a

bin_name = $(if $(filter ctl,$(1)),lgspctl,lgsp-$(1))
BINS := $(foreach s,$(SERVICES),$(B)/bin/$(call bin_name,$(s)))

.PHONY: all
all: $(BINS) ## build every program (release)

# Tables of RPCs and of event payloads, from the services' rpc.c and the events.proto and published.proto files.
$(GEN)/rpc_registry.c: $(RPC_C) deploy/build/rpc-registry.sh
	@mkdir -p $(@D)
	@deploy/build/rpc-registry.sh $(RPC_C) > $@
$(GEN)/event_registry.c: $(PROTOS) deploy/build/event-registry.sh
	@mkdir -p $(@D)
	@deploy/build/event-registry.sh $(filter %/events.proto %/published.proto,$(PROTOS)) > $@

$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' | cmp -s - $@ || echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' > $@
.PHONY: FORCE
FORCE:

VERSION := 0.1.0+$(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
$(B)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
$(B)/common/base/version.o: $(B)/version
$(B)/common/base/version.o: EXTRA = -DLGSP_VERSION='"$(VERSION)"'

$(B)/gen/%.o: $(GEN)/%.c $(B)/flags | $(PB_H)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_ALL) $(WARN_GEN) -c $< -o $@

$(B)/tests/%.o: tests/%.c $(B)/flags | $(PB_H) $(TEST_PB_C:.c=.h)
	@mkdir -p $(@D)
	@echo "  CC     $<"
	@$(CC) $(CFLAGS_ALL) $(WARN) -c $< -o $@

$(B)/%.o: %.c $(B)/flags | $(PB_H)
	@mkdir -p $(@D)
	@echo "  CC     $<"
	@$(CC) $(CFLAGS_ALL) $(WARN) $(EXTRA) $(SVC_CFLAGS) -c $< -o $@

$(LIB): $(COMMON_O) $(PB_O) $(RPC_O) $(REGISTRY_O)
	@rm -f $@
	@ar rcs $@ $^

# services/<name>/pkgs: further pkg-config modules of one service.
svc_pkgs = $(if $(wildcard services/$(1)/pkgs),$(shell cat services/$(1)/pkgs))
# The broker and the gateway take only what they call: no database library comes near them.
svc_lib = $(if $(filter bus gateway,$(1)),-Wl$(comma)--as-needed $(LIB),-Wl$(comma)--whole-archive $(LIB) -Wl$(comma)--no-whole-archive)
define service_rules
SVC_O_$(1) := $$(patsubst %.c,$(B)/%.o,$$(filter-out %/rpc.c,$$(wildcard services/$(1)/*.c)))
$(if $(call svc_pkgs,$(1)),$$(SVC_O_$(1)): SVC_CFLAGS = $$(shell pkg-config --cflags $(call svc_pkgs,$(1))))
$(B)/bin/$(call bin_name,$(1)): $$(SVC_O_$(1)) $(LIB)
	@mkdir -p $$(@D)
	@echo "  LD     $$@"
	@$(CC) $(LDFLAGS_ALL) -o $$@ $$(SVC_O_$(1)) $(call svc_lib,$(1)) $$(PKG_LIBS) \
		$(if $(call svc_pkgs,$(1)),$$(shell pkg-config --libs $(call svc_pkgs,$(1))))
endef
$(foreach s,$(SERVICES),$(eval $(call service_rules,$(s))))

# --- tests: each tests/unit/*.c and tests/it/*.c is a program ---
# A first line "// with: services/task/rules.c" links these sources of a service too.

UNIT_C := $(sort $(wildcard tests/unit/test_*.c))
IT_C := $(sort $(wildcard tests/it/test_*.c))
TEST_BINS := $(patsubst tests/%.c,$(B)/tests/%,$(UNIT_C) $(IT_C))
# tests/it/test_<service>[_what].c runs lgsp-<service> as a process.
test_service = $(patsubst services/%/main.c,$(B)/bin/lgsp-%,$(wildcard services/$(word 2,$(subst _, ,$(1)))/main.c))
test_with = $(shell sed -n '1s|^// with: ||p' $(1))
# The pkg-config modules of the services whose sources a test takes.
test_pkgs = $(strip $(foreach s,$(sort $(foreach f,$(call test_with,$(1)),$(word 2,$(subst /, ,$(f))))),$(call svc_pkgs,$(s))))
# A library, so that a test links only what it uses: test_gateway plays the bus client itself.
SUPPORT_LIB := $(B)/tests/libsupport.a
$(SUPPORT_LIB): $(patsubst %.c,$(B)/%.o,$(wildcard tests/support/*.c))
	@rm -f $@
	@ar rcs $@ $^
define test_rules
$(B)/tests/$(1): $(B)/tests/$(1).o $(patsubst %.c,$(B)/%.o,$(call test_with,tests/$(1).c)) \
		$(TEST_PB_O) $(SUPPORT_LIB) $(LIB) \
		$(if $(filter it/%,$(1)),| $(B)/bin/lgsp-bus $(call test_service,$(1)))
	@mkdir -p $$(@D)
	@echo "  LD     $$@"
	@$(CC) $(LDFLAGS_ALL) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $(SUPPORT_LIB) $(LIB) -Wl,--end-group \
		$$(PKG_LIBS) -lcmocka -Wl,--as-needed -lsodium \
		$(if $(call test_pkgs,tests/$(1).c),$$(shell pkg-config --libs $(call test_pkgs,tests/$(1).c)))
endef
$(foreach t,$(patsubst tests/%.c,%,$(UNIT_C) $(IT_C)),$(eval $(call test_rules,$(t))))

# --- fuzz targets: each tests/fuzz/fuzz_<name>.c; its corpus is tests/fuzz/corpus/<name> ---
# tests/fuzz/replay.c gives them the files of a corpus; `make fuzz` builds them for libFuzzer.

FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
REPLAY_BINS := $(patsubst %,$(B)/tests/fuzz/replay_%,$(FUZZ))
define fuzz_rules
$(B)/tests/fuzz/replay_$(1): $(B)/tests/fuzz/fuzz_$(1).o $(B)/tests/fuzz/replay.o \
		$(patsubst %.c,$(B)/%.o,$(call test_with,tests/fuzz/fuzz_$(1).c)) $(TEST_PB_O) $(LIB)
	@echo "  LD     $$@"
	@$(CC) $(LDFLAGS_ALL) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $(LIB) -Wl,--end-group $$(PKG_LIBS)
build/fuzz/fuzz_$(1): build/fuzz/obj/tests/fuzz/fuzz_$(1).o \
		$(patsubst %.c,build/fuzz/obj/%.o,$(call test_with,tests/fuzz/fuzz_$(1).c)) build/fuzz/liblgsp.a
	@echo "  FUZZ   $$@"
	@clang -fsanitize=fuzzer,address,undefined -o $$@ $$^ $$(PKG_LIBS)
endef
$(foreach f,$(FUZZ),$(eval $(call fuzz_rules,$(f))))

# What is fuzzed tells its coverage; generated code does not, or it would be most of what is counted.
FUZZ_CC = clang -std=gnu11 -g -O1 -D_GNU_SOURCE -DLGSP_VERSION='"fuzz"' -I. -I$(GEN) $(PKG_CFLAGS) -w -MMD -MP -c
FUZZ_GEN_O := $(patsubst %.c,build/fuzz/obj/%.o,$(PB_C) $(TEST_PB_C) $(REGISTRY_C))
FUZZ_COMMON_O := $(patsubst %.c,build/fuzz/obj/%.o,$(COMMON_C) $(RPC_C))
$(FUZZ_GEN_O): build/fuzz/obj/%.o: %.c | $(PB_H)
	@mkdir -p $(@D)
	@$(FUZZ_CC) -fsanitize=address,undefined -o $@ $<
build/fuzz/obj/%.o: %.c | $(PB_H) $(TEST_PB_C:.c=.h)
	@mkdir -p $(@D)
	@$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -o $@ $<
build/fuzz/liblgsp.a: $(FUZZ_COMMON_O) $(FUZZ_GEN_O)
	@rm -f $@
	@ar rcs $@ $^

FUZZ_RUNS ?= 1000000
FUZZ_S ?= 0
FUZZ_JOBS ?= $(shell nproc)
.PHONY: fuzz
fuzz: $(patsubst %,build/fuzz/fuzz_%,$(FUZZ)) ## run each fuzz target FUZZ_RUNS times (1000000), FUZZ_S seconds at most, in FUZZ_JOBS processes
	@tests/fuzz/run $(FUZZ_RUNS) $(FUZZ_S) $(FUZZ_JOBS) $(FUZZ)

.PHONY: test-bins
test-bins: $(TEST_BINS) $(REPLAY_BINS)

# --- running and testing ---

JOBS := -j$(shell nproc)

.PHONY: deps
deps: ## install what building, running and testing need (Debian packages; root or sudo)
	@deploy/install-deps deploy/deps-run deploy/deps-test

.PHONY: run
run: ## install what is missing, build, start everything, play one dossier, serve until Ctrl-C
	@deploy/install-deps deploy/deps-run
	@$(MAKE) --no-print-directory $(JOBS) all
	@deploy/local/run

.PHONY: fresh-test
fresh-test: ## both README commands on bare Debian 12 machines (containers), as root and as a sudo user
	@tests/fresh/run

.PHONY: test
test: ## install what is missing, build with sanitizers, run every test (TESTS: parts of names)
	@deploy/install-deps deploy/deps-run deploy/deps-test
	@$(MAKE) --no-print-directory $(JOBS) SAN=$(TEST_SAN) all test-bins tests/node_modules/.package-lock.json
	@tests/run build/san-$(subst $(comma),-,$(TEST_SAN)) $(TESTS)

.PHONY: chaos
chaos: ## kill every process at every named point while dossiers are played (about a minute)
	@deploy/install-deps deploy/deps-run deploy/deps-test
	@$(MAKE) --no-print-directory $(JOBS) SAN=$(TEST_SAN) all
	@BIN=build/san-$(subst $(comma),-,$(TEST_SAN))/bin tests/chaos/crash.sh | tee build/chaos.log
	@! grep '^not ok' build/chaos.log

# --- benchmarks: each tests/bench/bench_*.c is a program; tests/bench/bench.h has the report ---

# One compares with RabbitMQ, where librabbitmq is installed; it is no dependency.
RABBITMQ := $(shell pkg-config --exists librabbitmq 2>/dev/null && echo yes)
$(B)/tests/bench/bench_bus_rabbitmq.o: CFLAGS_ALL += $(if $(RABBITMQ),-DHAVE_RABBITMQ)
BENCH_C := $(sort $(wildcard tests/bench/bench_*.c))
BENCH_BINS := $(patsubst tests/%.c,$(B)/tests/%,$(BENCH_C))
define bench_rules
$(B)/tests/bench/$(1): $(B)/tests/bench/$(1).o $(B)/tests/bench/bench.o \
		$(patsubst %.c,$(B)/%.o,$(call test_with,tests/bench/$(1).c)) $(SUPPORT_LIB) $(LIB)
	@mkdir -p $$(@D)
	@echo "  LD     $$@"
	@$(CC) $(LDFLAGS_ALL) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $(SUPPORT_LIB) $(LIB) -Wl,--end-group \
		$$(PKG_LIBS) -lcmocka -Wl,--as-needed -lsodium $(if $(RABBITMQ),-lrabbitmq)
endef
$(foreach t,$(patsubst tests/bench/%.c,%,$(BENCH_C)) check,$(eval $(call bench_rules,$(t))))

.PHONY: bench bench-check bench-bins
bench-bins:
	@deploy/install-deps deploy/deps-run deploy/deps-test
	@$(MAKE) --no-print-directory $(JOBS) all $(BENCH_BINS) $(B)/tests/bench/check
bench: bench-bins ## measure side by side with the baselines, into build/bench.json
	@rm -f build/bench.json
	@set -e; for b in $(BENCH_BINS); do BENCH_OUT=build/bench.json $$b; done
bench-check: bench-bins ## five runs; fail below tests/bench/thresholds
	@rm -f build/bench-*.json
	@set -e; for i in 1 2 3 4 5; do \
		for b in $(BENCH_BINS); do BENCH_OUT=build/bench-$$i.json $$b; done; done
	@$(B)/tests/bench/check tests/bench/thresholds build/bench-*.json

# --- lint ---
# Each lint-<x> runs alone; `make -k lint` shows all faults at once. deploy/lint says what each is for.

.PHONY: lint lint-scripts lint-format lint-includes lint-proto lint-sql lint-shell lint-sizes \
	lint-cppcheck lint-tidy lint-buf
lint: lint-scripts lint-format lint-includes lint-proto lint-buf lint-sql lint-shell lint-sizes \
	lint-cppcheck lint-tidy ## check format, layers, contracts, SQL, scripts, sizes; cppcheck, clang-tidy

OUR_C = $(shell git ls-files --cached --others --exclude-standard -- '*.c')
TREE_C = $(filter-out docs/examples/%,$(OUR_C)) # the examples are built by their test, as outsiders do
OUR_CH = $(OUR_C) $(shell git ls-files --cached --others --exclude-standard -- '*.h')

lint-scripts:
	@deploy/lint/selftest.sh
lint-includes lint-proto lint-sql lint-shell lint-sizes: lint-%:
	@deploy/lint/$*.sh
lint-format:
	@clang-format --dry-run -Werror $(OUR_CH)
lint-cppcheck: $(PB_H) $(TEST_PB_C:.c=.h)
	@cppcheck -j2 --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 \
		--inline-suppr --library=deploy/lint/cppcheck.cfg --suppressions-list=deploy/lint/cppcheck.suppress \
		-D_GNU_SOURCE -DLGSP_VERSION='"lint"' -I. $(TREE_C)
lint-tidy: $(PB_H) $(TEST_PB_C:.c=.h)
	@printf '%s\n' $(TREE_C) | xargs -P2 -n4 deploy/lint/tidy.sh \
		-std=gnu11 -I. -I$(GEN) $(PKG_CFLAGS) $$(pkg-config --cflags $(sort $(foreach s,$(SERVICES),$(call svc_pkgs,$(s))))) \
		-D_GNU_SOURCE -DLGSP_CRASH_POINTS -DLGSP_VERSION='"lint"' --
# buf comes as a locked npm package of the tests, one for each architecture.
BUF = $(firstword $(wildcard tests/node_modules/@bufbuild/buf-linux-*/bin/buf))
lint-buf: tests/node_modules/.package-lock.json
	@$(BUF) lint proto

tests/node_modules/.package-lock.json: tests/package.json tests/package-lock.json
	@cd tests && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: fmt
fmt: ## format all C sources in place
	@clang-format -i $(OUR_CH)

.PHONY: help
help: ## print this
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1|\2/p; /\\$$/{N;s/^([a-z-]+):[^#]*## (.*)/  make \1|\2/p;}' $(MAKEFILE_LIST) | \
		awk -F '|' '{ printf "%-20s %s\n", $$1, $$2 }'

# --- containers ---

DOCKER_SERVICES := $(filter-out bus gateway ctl,$(SERVICES))
LGSP_IMAGE ?= lgsp-suite:local
POSTGRES_IMAGE ?= lgsp-postgres:local

.PHONY: images secrets compose-test
images: ## build the two images (needs a Docker engine)
	docker build -f deploy/Dockerfile --target runtime --build-arg VERSION='$(VERSION)' -t $(LGSP_IMAGE) .
	docker build -f deploy/Dockerfile --target postgres -t $(POSTGRES_IMAGE) .

secrets: ## make keys and passwords of a deployment in deploy/secrets; never overwrites
	@mkdir -p deploy/secrets
	docker run --rm --network none --user 0 -v '$(CURDIR)/deploy/secrets:/secrets' $(LGSP_IMAGE) \
		/usr/share/lgsp/secrets.sh /secrets $(DOCKER_SERVICES)

compose-test: all ## images, the whole suite by docker-compose, the demo from outside
	@tests/compose/run

.PHONY: clean
clean: ## remove build/
	rm -rf build

-include $(shell find $(B) build/fuzz -name '*.d' 2>/dev/null)
