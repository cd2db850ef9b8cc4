# propexo-bridge: `make help` lists what there is to do.

BUILD   ?= build$(if $(SANITIZER),/$(SANITIZER))
ifeq ($(origin CC),default)
CC      := gcc
endif
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
DESTDIR ?=
CHAOS_SECONDS ?= 120
CHAOS_SEED    ?= 1
FUZZ_SECONDS  ?= 60
IMAGE_ARCHES  ?= amd64 arm64
IMAGE_ENGINE  ?= $(if $(shell docker buildx version 2>/dev/null),docker,buildah)
VERSION := 0.1.0

DEVELOPMENT_LIBRARIES := librdkafka-dev libmicrohttpd-dev libcurl4-openssl-dev libavro-dev libcjson-dev libinih-dev liblmdb-dev \
             libssl-dev libgnutls28-dev libseccomp-dev libcap-ng-dev zlib1g-dev
PACKAGES  := $(DEVELOPMENT_LIBRARIES) libcmocka-dev gcc clang clang-format clang-tidy make pkg-config kcat maven \
             openjdk-17-jdk-headless libclang-rt-dev llvm nginx-light valgrind util-linux groff-base python3 python3-venv ca-certificates openssl
LIBRARIES := rdkafka libmicrohttpd libcurl avro-c libcjson inih lmdb libcrypto gnutls libseccomp libcap-ng

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
            -Wwrite-strings -Wvla -Wformat=2 -Wundef -Werror
# What is written past its end, or jumped to where nobody should, ends the process. Sanitizers look themselves.
HARDENING := $(if $(SANITIZER),,-D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection) -fPIE
FLAGS     = -std=gnu17 -pthread $(HARDENING) -I. -D_GNU_SOURCE -DBRIDGE_VERSION='"$(VERSION)"' $(WARNINGS) $(CFLAGS) \
            $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) \
            $(shell pkg-config --cflags $(LIBRARIES))
LIBS      = -pthread -pie -Wl,-z,relro,-z,now $(if $(SANITIZER),-fsanitize=$(SANITIZER)) $(LDFLAGS) $(shell pkg-config --libs $(LIBRARIES)) -lm

SOURCES   := $(wildcard bridge/*/*.c)
OBJECTS   := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/gen/schemas.o $(BUILD)/gen/console.o
ifeq ($(SANITIZER),thread)
OBJECTS   += $(BUILD)/tests/sanitizers/c11_threads.o
endif
SIMULATOR := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/simulator/*.c))
UNIT      := $(patsubst tests/unit/%.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
BENCH     := $(patsubst tests/bench/%.c,$(BUILD)/%,$(wildcard tests/bench/bench_*.c) $(filter-out %/bare_record.c %/bare_server.c,$(wildcard tests/bench/bare_*.c)) tests/bench/mock_kafka.c)
BARE      := $(addprefix $(BUILD)/tests/bench/,bare.o bare_record.o bare_server.o)
C_FILES   := $(wildcard bridge/*.[ch] bridge/*/*.[ch] tests/unit/*.[ch] tests/bench/*.[ch] tests/simulator/*.[ch] tests/sanitizers/*.c tests/fuzz/*.[ch])

.PHONY: deps all demo test test-unit test-e2e test-long test-memcheck chaos chaos-mutants fuzz fuzz-coverage chart image browser bench bench-quick bench-encode bench-planner bench-programs bench-parts bench-speed bench-growth bench-budget lint format schemas install version libraries clean help
.DEFAULT_GOAL := all
.SECONDARY:

all: $(BUILD)/propexo-bridge $(BUILD)/propexo-sim ## build the bridge and the simulator

$(BUILD)/propexo-bridge: $(BUILD)/bridge/main.o $(OBJECTS)
	@echo "  ld  $@"
	@$(CC) -o $@ $^ $(LIBS)

$(BUILD)/propexo-sim: $(SIMULATOR)
	@echo "  ld  $@"
	@$(CC) -o $@ $^ $(LIBS) -lz

$(BUILD)/test_%: $(BUILD)/tests/unit/test_%.o $(OBJECTS)
	@echo "  ld  $@"
	@$(CC) -o $@ $^ $(LIBS) -lcmocka

$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(OBJECTS)
	@echo "  ld  $@"
	@$(CC) -o $@ $^ $(LIBS) $(FUZZ_LINK) -lcmocka

$(BENCH): $(BUILD)/%: $(BUILD)/tests/bench/%.o $(BARE) $(OBJECTS)
	@echo "  ld  $@"
	@$(CC) -o $@ $^ $(LIBS)

$(BUILD)/bridge_on_mock: $(BUILD)/bridge/main.o $(BUILD)/tests/bench/on_mock.o $(OBJECTS)
	@echo "  ld  $@"
	@$(CC) -o $@ $^ $(LIBS) -Wl,--wrap=topic_admin_compare

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  cc  $@"
	@$(CC) $(FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	@echo "  cc  $@"
	@$(CC) $(FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/schemas.c: schemas/embed.py $(wildcard schemas/*.avsc)
	@mkdir -p $(@D)
	@python3 schemas/embed.py $@ $(filter %.avsc,$^)

$(BUILD)/gen/console.c: bridge/console/embed.py schemas/embed.py $(wildcard bridge/console/web/*)
	@mkdir -p $(@D)
	@python3 $< $@ $(filter bridge/console/web/%,$^)

-include $(shell find $(BUILD)/bridge $(BUILD)/gen $(BUILD)/tests -name '*.d' -type f 2>/dev/null)
include tests/e2e/setup.mk
include tests/helm/setup.mk

# $(1) with Debian's packages; what is there already is not touched.
define install
missing=$$(for p in $(1); do \
    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
test -z "$$missing" || { test $$(id -u) = 0 || sudo=sudo; \
    $$sudo apt-get update -qq && \
    DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing; }
endef

deps: ## install what is missing, with Debian's packages
	@$(call install,$(PACKAGES))

demo: deps ## webhooks with diffs become whole snapshots, before your eyes (DEMO_SECONDS=30)
	@$(MAKE) --no-print-directory -s all
	@python3 tests/demo/demo.py

test: deps ## all tests: lint's room rule, unit, end to end on a real Kafka and registry
	@SANITIZER=$(SANITIZER) python3 tests/run.py

test-unit: $(UNIT) ## unit tests only
	@SANITIZER=$(SANITIZER) python3 tests/run.py unit

test-e2e: all ## end-to-end tests only (ARGS="-k name" chooses)
	@SANITIZER=$(SANITIZER) python3 tests/run.py e2e $(ARGS)

test-long: deps ## end-to-end tests that take minutes (ARGS="-k name" chooses)
	@$(MAKE) --no-print-directory -s all
	@python3 tests/run.py long $(ARGS)

test-memcheck: deps ## one short flow under valgrind
	@$(MAKE) --no-print-directory -s all
	@python3 tests/run.py memcheck

chaos: deps ## faults of every kind for a while, then what must hold (CHAOS_SECONDS=600 CHAOS_SEED=7)
	@$(MAKE) --no-print-directory -s all build/venv/.stamp build/e2e/kafka/.stamp
	@BRIDGE_BUILD=$(abspath $(BUILD)) build/venv/bin/python tests/e2e/chaos --seconds $(CHAOS_SECONDS) --seed $(CHAOS_SEED)

chaos-mutants: deps ## planted bugs, each of which the chaos must find, 40 minutes (ARGS="name" chooses)
	@$(MAKE) --no-print-directory -s all build/venv/.stamp build/e2e/kafka/.stamp
	@build/venv/bin/python tests/e2e/chaos/mutants $(ARGS)

fuzz: deps ## hostile bytes for each parser, with sanitizers (FUZZ=name chooses, FUZZ_SECONDS=60 each)
	@python3 tests/fuzz/fuzz.py --seconds $(FUZZ_SECONDS) $(FUZZ)

fuzz-coverage: deps ## what of the parsers the corpora of build/fuzz reach
	@python3 tests/fuzz/fuzz.py --coverage $(FUZZ)

chart: deps ## the Helm chart: by helm itself, Kubernetes' schemas, promtool, and the bridge that must take its configurations
	@$(MAKE) --no-print-directory -s all build/helm/helm build/helm/venv/.stamp build/e2e/prometheus/.stamp
	@HELM=$(abspath build/helm/helm) PROMTOOL=$(abspath build/e2e/prometheus/usr/bin/promtool) BRIDGE_BUILD=$(abspath $(BUILD)) \
	    build/helm/venv/bin/pytest -q -p no:cacheprovider tests/helm

image: ## the images of the bridge and the simulator, by Docker or without it (IMAGE_ARCHES="amd64 arm64")
	@test "$(IMAGE_ENGINE)" = docker || { $(call install,buildah debootstrap qemu-user-static); }
	@IMAGE_ENGINE=$(IMAGE_ENGINE) sh docker/build.sh $(IMAGE_ARCHES)

bench: bench-encode bench-planner bench-speed bench-growth bench-budget ## all measurements, three hours; exit 1 when a target is missed

bench-quick: bench-encode bench-planner ## the most telling of them, five minutes
	@$(MAKE) --no-print-directory -s bench-speed ARGS="--quick"

bench-encode: $(BUILD)/bench_encode ## the encoder beside bare cJSON and avro-c
	@$(BUILD)/bench_encode

bench-planner: $(BUILD)/bench_planner ## 200,000 waiting records: memory, and the time of one plan
	@$(BUILD)/bench_planner

bench-programs: $(BENCH) $(BUILD)/bridge_on_mock build/bench/connect # what the measurements run beside the bridge

bench-parts: deps
	@$(call install,wrk)
	@$(MAKE) --no-print-directory -s all bench-programs build/venv/.stamp build/e2e/kafka/.stamp build/e2e/registry/.stamp

bench-speed: bench-parts ## beside the libraries alone, and beside Redpanda Connect (ARGS="name" chooses)
	@BRIDGE_BUILD=$(abspath $(BUILD)) build/venv/bin/python tests/bench/speed $(ARGS)

bench-growth: bench-parts build/bench/venv/.stamp ## what a thousand times as much costs, with charts (ARGS="name" chooses)
	@BRIDGE_BUILD=$(abspath $(BUILD)) build/venv/bin/python tests/bench/growth $(ARGS)
	@build/bench/venv/bin/python tests/bench/growth/charts.py

bench-budget: deps ## what the API's requests buy, on a real Kafka, 30 minutes (ARGS="name" chooses)
	@$(MAKE) --no-print-directory -s all build/venv/.stamp build/e2e/kafka/.stamp
	@BRIDGE_BUILD=$(abspath $(BUILD)) build/venv/bin/python tests/bench/budget $(ARGS)

# Its hashes stand in go.sum.
build/bench/connect: $(wildcard tests/bench/connect/*.go tests/bench/connect/go.*)
	@echo "building Redpanda Connect"
	@mkdir -p $(@D)
	@cd tests/bench/connect && GOFLAGS="-trimpath -buildvcs=false" go build -o $(abspath $@) .

build/bench/venv/.stamp: tests/bench/growth/requirements.txt
	@echo "fetching the Python packages of the charts"
	@mkdir -p $(@D)
	@$(E2E_PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

lint: deps $(BUILD)/gen/schemas.c ## formatting, static analysis, the room rule
	@clang-format --dry-run --Werror $(C_FILES)
	@python3 tests/lint/rooms.py
	@python3 schemas/generate.py --check
	@clang-tidy --quiet $(wildcard bridge/*.c) $(SOURCES) -- $(filter-out -Werror,$(FLAGS)) 2>/dev/null

format: ## bring every C file into form
	@clang-format -i $(C_FILES)

schemas: ## write schemas/*.avsc and the model table anew from schemas/models.json
	@python3 schemas/generate.py

install: all ## install below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BUILD)/propexo-bridge $(DESTDIR)$(PREFIX)/bin/propexo-bridge
	install -d $(DESTDIR)$(PREFIX)/share/propexo-bridge/schemas
	install -m 644 schemas/*.avsc $(DESTDIR)$(PREFIX)/share/propexo-bridge/schemas/
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's#/usr/local/#$(PREFIX)/#' docker/systemd/propexo-bridge.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/propexo-bridge.service
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/,man/man1 bash-completion/completions zsh/site-functions fish/vendor_completions.d)
	$(BUILD)/propexo-bridge help man > $(DESTDIR)$(PREFIX)/share/man/man1/propexo-bridge.1
	$(BUILD)/propexo-bridge help bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/propexo-bridge
	$(BUILD)/propexo-bridge help zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_propexo-bridge
	$(BUILD)/propexo-bridge help fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/propexo-bridge.fish

version: # of what is built here
	@echo $(VERSION)

libraries: # what a build of the programs needs installed, as Debian names it
	@echo $(DEVELOPMENT_LIBRARIES)

clean: ## remove what was built
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  SANITIZER=address|undefined|thread and CC=clang work with every target.'
